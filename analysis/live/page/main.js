// Follows the run: takes what the server sends, and shows the moment that the replay stands at.

import { showBest } from '#best';
import { draw, percentilesAt } from '#charts';
import { NOTHING, clock, count, digits, element, plural, quantity, seconds, write } from '#format';
import { look } from '#moment';
import { Replay } from '#replay';
import { showStory } from '#story';

const SPOKEN_EVERY = 15000;
const STAGES = {
  queue: 'from the agents to the task server', dispatch: 'from the task server into a worker', run: 'the work itself',
  return: 'from the worker back into the queue', notice: 'out of the queue', record: 'into the ledger',
};
const PHASES = {
  awaited: ['waiting', 'There is no run in this directory yet; it is shown as soon as there is one.'],
  starting: ['starting', 'A driver is making everything ready.'],
  running: ['running', 'The campaign is under way.'],
  stopped: ['stopped', 'Its driver is gone and did not say how it ended. run.py --resume goes on with it.'],
  gone: ['gone', 'The run directory is gone; this is what it held.'],
  unreadable: ['unreadable', ''],
};
const data = {};
const replay = new Replay();
let connected = true;
let wanted = false;
let spokenAt = 0;

const source = new EventSource(`/updates?${document.body.dataset.query}`);
source.addEventListener('message', (message) => {
  const sections = JSON.parse(message.data);
  if (data.run && sections.run && sections.run.life !== data.run.life) replay.go(null);
  Object.assign(data, sections);
  connected = true;
  replay.reach(data.now.at, data.now.phase === 'running');
  render();
});
source.addEventListener('error', () => {
  connected = false;
  render();
});

replay.addEventListener('change', render);
document.getElementById('filter').addEventListener('change', render);
document.getElementById('kinds').addEventListener('change', render);
document.getElementById('search').addEventListener('input', render);
document.getElementById('story').addEventListener('click', (event) => {
  const at = event.target.closest('button')?.dataset.at;
  if (at !== undefined) replay.go(Number(at));
});
setInterval(times, 1000);

/** Show everything, once for all that changed before the next frame. */
function render() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    if (data.now) show();
  });
}

function show() {
  const view = look(data, replay.cursor);
  const kind = document.querySelector('input[name=kind]:checked').value;
  head(view);
  tiles(view);
  showBest(data.run, view.top);
  showStory(data.story, view.at, view.isNewest);
  draw(data, view, kind);
  captions(view, kind);
  times();
  speak(view);
}

function head(view) {
  const { run, now } = data;
  write('campaign', run.campaign);
  write('site', run.site ? `on ${run.site}` : '');
  const [name, reason] = PHASES[now.phase] ?? [now.status, ''];
  const reading = now.read < 0.999 ? `Reading the ledger: ${Math.floor(100 * now.read)}%. ` : '';
  const status = document.getElementById('status');
  status.className = `status ${connected ? now.status : 'lost'}`;
  write('status', connected ? name : 'not connected');
  write('reason', connected ? reading + (now.reason ?? reason) : 'The watcher does not answer; this is the last that it told.');
  const more = [run.seed === null ? null : `seed ${run.seed}`, run.sessions.length > 1 ? `resumed ${plural(run.sessions.length - 1, 'time')}` : null];
  write('run', [run.name, ...more].filter(Boolean).join(' · '));
  document.title = `${count(now.succeeded)}/${count(now.search_size)} ${run.campaign} · Scoutbee live`;
  const { succeeded, search_size: size } = view.progress;
  const bar = document.getElementById('progress');
  bar.max = Math.max(size, 1);
  bar.value = succeeded;
  write('done', count(succeeded));
  write('of', `of ${plural(size, 'simulation')}${view.isNewest ? '' : ` at ${clock(view.at)}`}`);
}

function tiles({ progress, top }) {
  const { name, unit, threshold, maximize } = data.run.objective;
  write('tile-best', top.length ? quantity(top[0].value, unit) : NOTHING);
  write('tile-best-name', `best ${name}`);
  write('tile-found', threshold === null ? NOTHING : count(progress.found));
  write('tile-found-name', threshold === null ? 'no threshold is set' : `found, ${maximize ? 'at least' : 'at most'} ${quantity(threshold, unit)}`);
  const [busy, slots] = progress.busy.simulate ?? [0, 0];
  write('tile-flight', `${busy} / ${slots}`);
  write('tile-flight-name', `simulations in flight, ${count(progress.buffered)} ready`);
  write('tile-models', progress.generation === null ? NOTHING : `g${progress.generation}`);
  write('tile-models-name', progress.generation === null ? 'no ranking yet' : `generation behind ${plural(progress.rankings, 'ranking')}`);
  const [trained, members] = progress.trained;
  const [inferred, asked] = progress.inferred;
  const share = members + asked ? (trained + inferred) / (members + asked) : 0;
  write('tile-update', progress.updating ? `${Math.floor(100 * share)}%` : NOTHING);
  write('tile-update-name', progress.updating ? `update: trained ${trained}/${members}, inferred ${inferred}/${asked}` : 'no update of the models under way');
  const lost = progress.failed + progress.quarantined;
  write('tile-trouble', count(lost));
  write('tile-trouble-name', progress.resubmitted ? `given up, ${count(progress.resubmitted)} lost and sent again` : 'given up');
  document.getElementById('tile-trouble-box').classList.toggle('bad', lost > 0);
}

function captions(view, kind) {
  const { objective } = data.run;
  const all = view.progress.succeeded;
  const some = view.dots.length < all ? ` Of ${count(all)} simulations, ${count(view.dots.length)} are drawn.` : '';
  const { chance } = data;
  write('title-best', `Best ${objective.name} so far`);
  write('caption-best', `${chance ? `Random choice is worked out from ${plural(chance.known, 'known value')}.` : ''}${some}`);
  const predicted = view.dots.filter((dot) => dot.mean !== null);
  const error = predicted.reduce((sum, dot) => sum + Math.abs(dot.mean - dot.value), 0) / predicted.length;
  write('caption-parity', predicted.length ? `Predicted when chosen, against what came; off by ${`${digits(error, 2)} ${objective.unit}`.trim()} on average.` : 'No candidate that a model chose has come back yet.');
  write('caption-busy', `Mean number of busy workers in steps of ${seconds(data.busy.width)}.`);
  latencyTable(view, kind);
  describe(view, kind);
}

function latencyTable(view, kind) {
  const pairs = percentilesAt(data.latency, view)[kind];
  write('caption-latency', pairs ? `Median and 95th percentile of the newest 200 tasks of kind ${kind} (${count(data.latency.counts[kind])} in all).` : `No task of kind ${kind} has come back yet.`);
  const rows = data.latency.stages.map((stage, i) => {
    const row = element('tr');
    row.append(element('td', '', stage), element('td', '', STAGES[stage]));
    for (const pick of [0, 1]) row.append(element('td', 'n', seconds(pairs?.[i]?.[pick])));
    return row;
  });
  document.getElementById('latency').replaceChildren(...rows);
}

/** The charts in words, for those who do not see them. */
function describe(view, kind) {
  const { objective } = data.run;
  const label = (id, text) => document.getElementById(id).setAttribute('aria-label', text);
  const best = view.top.length ? `${quantity(view.top[0].value, objective.unit)} after ${plural(view.progress.succeeded, 'simulation')}` : 'nothing yet';
  label('chart-best', `Best ${objective.name} against simulations: ${best}.`);
  label('chart-parity', document.getElementById('caption-parity').textContent);
  const use = Object.entries(view.progress.busy).map(([name, [busy, slots]]) => `${name} ${busy} of ${slots}`);
  label('chart-busy', `Busy workers over time; at this moment ${use.join(', ')}.`);
  label('chart-latency', `Time in each stage of tasks of kind ${kind}; the table below has the numbers.`);
}

/** Clocks go on between two updates. */
function times() {
  if (!data.now) return;
  const { run, now } = data;
  const running = now.phase === 'running' && connected;
  const session = run.sessions.at(-1);
  const elapsed = running && session ? session.at + Date.now() / 1000 - session.began : now.at;
  write('elapsed', clock(replay.cursor ?? Math.max(elapsed, now.at)));
  write('left', running && replay.cursor === null ? clock(now.left) : NOTHING);
}

/** Tell a screen reader how it goes: what ended at once, the rest now and then. */
function speak(view) {
  if (replay.cursor !== null) return;
  const { now, run } = data;
  const soon = performance.now() - spokenAt < SPOKEN_EVERY;
  if (soon && now.status === document.body.dataset.spoken) return;
  spokenAt = performance.now();
  document.body.dataset.spoken = now.status;
  const best = view.top.length ? `, best ${digits(view.top[0].value)} ${run.objective.unit}` : '';
  write('spoken', `${now.status}: ${now.succeeded} of ${plural(now.search_size, 'simulation')}${best}.`);
}
