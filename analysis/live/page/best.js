// The best candidates as cards.

import { element, quantity } from '#format';
import { BEST_SHOWN } from '#moment';

const query = document.body.dataset.query;
let shown = '';

export function showBest(run, top) {
  const state = JSON.stringify([run.drawable, run.objective, top.map((entry) => entry.number)]);
  if (state === shown) return;
  shown = state;
  const cards = top.map((entry, place) => card(run, entry, place + 1));
  while (cards.length < BEST_SHOWN) cards.push(place(run, cards.length + 1)); // so that nothing below moves later
  document.getElementById('best').replaceChildren(...cards);
}

/** Where a candidate will stand. */
function place(run, number) {
  const item = element('li', run.drawable ? 'drawn awaited' : 'awaited');
  item.setAttribute('aria-hidden', 'true');
  item.append(element('span', 'place', String(number)));
  return item;
}

function card(run, entry, place) {
  const { unit } = run.objective;
  const item = element('li', run.drawable ? 'drawn' : '');
  item.append(element('span', 'place', String(place)));
  if (run.drawable) item.append(picture(entry.key));
  item.append(element('b', '', quantity(entry.value, unit)));
  const key = element('p', 'key', entry.key);
  key.title = entry.key;
  item.append(key, element('p', 'why', why(entry, unit)));
  return item;
}

function picture(key) {
  const image = element('img');
  image.src = `/drawing?${query}&key=${encodeURIComponent(key)}`;
  image.alt = `Structure of ${key}`;
  [image.width, image.height] = [220, 150];
  return image;
}

function why(entry, unit) {
  const parts = [`simulation ${entry.number}`, entry.ranking ? `ranking ${entry.ranking}` : entry.mean === null ? 'a seed' : 'the opening'];
  if (entry.generation !== null) parts.push(`generation ${entry.generation}`);
  if (entry.mean !== null) {
    const spread = entry.std === null ? '' : ` ± ${entry.std.toPrecision(2)}`;
    parts.push(`predicted ${quantity(entry.mean, unit)}${spread}`);
  }
  return parts.join(', ');
}
