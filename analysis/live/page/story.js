// What happened, newest first; warnings stand out; every time leads to its moment in the replay.

import { clock, count, element, write } from '#format';

const NAMES = { campaign: 'campaign', found: 'found', learning: 'learning', trouble: 'trouble' };
const list = document.getElementById('story');
let shown = '';

export function showStory(story, at, isNewest) {
  const topic = document.querySelector('input[name=topic]:checked').value;
  const words = document.getElementById('search').value.trim().toLowerCase();
  const state = JSON.stringify([story.count, story.seq.at(-1), isNewest ? null : at, topic, words]);
  if (state === shown) return;
  shown = state;
  const past = story.seq.map((_, i) => i).filter((i) => isNewest || story.at[i] <= at);
  const picked = past.filter((i) => (topic === 'all' || story.topic[i] === topic) && story.text[i].toLowerCase().includes(words));
  list.replaceChildren(...picked.toReversed().map((i) => row(story, i)));
  if (!picked.length) list.append(element('li', 'empty', past.length ? 'Nothing that fits.' : 'Nothing has happened yet.'));
  write('trouble-count', past.filter((i) => story.topic[i] === 'trouble').length || '');
  const left = story.count - story.seq.length;
  write('story-note', left > 0 ? `The newest ${count(story.seq.length)} of ${count(story.count)} lines; events.jsonl has them all.` : '\u00a0');
}

function row(story, i) {
  const item = element('li', `${story.level[i]} ${story.topic[i]}`);
  const time = element('button', '', clock(story.at[i]));
  time.type = 'button';
  time.dataset.at = story.at[i];
  time.title = new Date(1000 * story.time[i]).toLocaleString();
  time.setAttribute('aria-label', `Go to ${clock(story.at[i])}`);
  const label = story.level[i] === 'info' ? NAMES[story.topic[i]] : story.level[i];
  item.append(time, element('span', 'topic', label), element('span', 'text', story.text[i]));
  return item;
}
