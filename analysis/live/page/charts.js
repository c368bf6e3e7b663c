// The four charts. Chart.js draws them; here is only what they show.

import { clock, count, digits, quantity, seconds } from '#format';
import { upTo } from '#moment';
import { faint, onChange, palette } from '#palette';

const KINDS = ['simulate', 'train', 'infer'];
let colours = palette();
let charts = null;
let again = () => {};

export function draw(data, view, kind) {
  again = () => draw(data, view, kind);
  charts ??= make();
  best(data, view);
  parity(data, view);
  busy(data, view);
  latency(data, view, kind);
}

onChange(() => {
  if (!charts) return;
  for (const chart of Object.values(charts)) chart.destroy();
  charts = null;
  colours = palette();
  again();
});

function make() {
  const { Chart } = window;
  Object.assign(Chart.defaults, { animation: false, maintainAspectRatio: false, color: colours.muted });
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.plugins.legend.labels = { ...Chart.defaults.plugins.legend.labels, boxWidth: 10, boxHeight: 10, usePointStyle: true };
  Object.assign(Chart.defaults.plugins.legend, { position: 'top', align: 'start' });
  return {
    best: scatter('chart-best', 'simulations', count),
    parity: scatter('chart-parity', 'predicted', digits),
    busy: busyChart(),
    latency: latencyChart(),
  };
}

function axis(title, format) {
  return {
    title: { display: true, text: title, color: colours.muted },
    grid: { color: colours.line },
    border: { color: colours.line },
    ticks: { color: colours.muted, maxRotation: 0, callback: (value) => format(value) },
  };
}

function scatter(id, title, format) {
  return new window.Chart(document.getElementById(id), {
    type: 'scatter',
    data: { datasets: [] },
    options: {
      scales: { x: axis(title, (value) => (Number.isInteger(value) ? count(value) : format(value, 3))), y: axis('', (value) => digits(value, 3)) },
      plugins: { tooltip: { callbacks: { label: (item) => item.raw.label ?? item.dataset.label } } },
    },
  });
}

function line(label, points, colour, more = {}) {
  return { label, data: points, showLine: true, borderColor: colour, backgroundColor: colour, borderWidth: 2, pointRadius: 0, pointHitRadius: 0, pointStyle: 'line', ...more };
}

function dots(label, points, colour, more = {}) {
  return { label, data: points, borderColor: 'transparent', backgroundColor: colour, pointRadius: 2.5, ...more };
}

function best(data, view) {
  const { unit, threshold } = data.run.objective;
  const end = Math.max(view.progress.succeeded, 1);
  const width = view.isNewest ? end : Math.max(data.now.succeeded, 1);
  const steps = view.steps.map((entry) => ({ x: entry.number, y: entry.value, label: `${entry.key}: ${quantity(entry.value, unit)}` }));
  if (steps.length) steps.push({ ...steps.at(-1), x: end });
  const sets = [
    line('best so far', steps, colours['honey-fill'], { stepped: 'before', borderWidth: 2.5, pointHitRadius: 6 }),
    dots('each simulation', view.dots.map((dot) => ({ x: dot.number, y: dot.value, label: `simulation ${dot.number}: ${quantity(dot.value, unit)}` })), faint(colours.simulate, 0.6), { pointRadius: view.dots.length > 300 ? 2 : 3 }),
  ];
  if (threshold !== null) sets.push(line('threshold', [{ x: 0, y: threshold }, { x: width, y: threshold }], colours.bad, { borderWidth: 1.5, borderDash: [4, 3] }));
  if (data.chance) sets.push(...chance(data.chance, width));
  const chart = charts.best;
  chart.data.datasets = sets;
  Object.assign(chart.options.scales.x, { min: 0, max: Math.max(Math.ceil(width * 1.01), 10) });
  chart.options.scales.y.title.text = unit;
  chart.update('none');
}

function chance(curve, width) {
  const last = Math.max(1, Math.min(curve.draws.length, upTo(curve.draws, width) + 1));
  const points = (values) => curve.draws.slice(0, last).map((x, i) => ({ x: Math.min(x, width), y: values[i] }));
  const share = `${Math.round(100 * curve.level)}%`;
  const edge = { borderWidth: 0, pointStyle: 'rect' };
  return [
    line('best of as many random picks', points(curve.mean), colours.muted, { borderWidth: 1.5, borderDash: [6, 4] }),
    line(`${share} of random picks`, points(curve.low), faint(colours.muted, 0.14), { ...edge, fill: '+1' }),
    line('', points(curve.high), 'transparent', edge),
  ];
}

function parity(data, view) {
  const { unit } = data.run.objective;
  const predicted = view.dots.filter((dot) => dot.mean !== null);
  const ends = predicted.flatMap((dot) => [dot.mean, dot.value]);
  const range = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
  const point = (dot) => ({ x: dot.mean, y: dot.value, label: `predicted ${quantity(dot.mean, unit)}, came ${quantity(dot.value, unit)} (generation ${dot.generation ?? '–'})` });
  const newest = Math.max(...predicted.map((dot) => dot.generation ?? 0));
  const chart = charts.parity;
  chart.data.datasets = [
    dots('newest models', predicted.filter((dot) => (dot.generation ?? 0) === newest).map(point), colours['honey-fill'], { pointRadius: 3.5 }),
    dots('earlier models', predicted.filter((dot) => (dot.generation ?? 0) !== newest).map(point), faint(colours.simulate, 0.5)),
    line('as predicted', range.map((value) => ({ x: value, y: value })), colours.muted, { borderWidth: 1, borderDash: [4, 3] }),
  ];
  chart.options.scales.x.title.text = unit ? `predicted when chosen (${unit})` : 'predicted when chosen';
  chart.options.scales.y.title.text = unit ? `simulated (${unit})` : 'simulated';
  chart.update('none');
}

function busyChart() {
  const chart = scatter('chart-busy', 'time', clock);
  chart.options.scales.x.ticks.callback = (value) => clock(value);
  chart.options.scales.y.title.display = false;
  chart.options.scales.y.beginAtZero = true;
  Object.assign(chart.options.scales.y.ticks, { precision: 0, callback: (value) => count(value) });
  chart.options.plugins.tooltip = { ...chart.options.plugins.tooltip, mode: 'nearest', intersect: false };
  return chart;
}

function busy(data, view) {
  const { width, workers } = data.busy;
  const end = Math.max(data.now.at, width);
  charts.busy.data.datasets = KINDS.filter((kind) => workers[kind]).map((kind) => {
    const points = workers[kind].map((y, i) => ({ x: Math.min((i + 1) * width, end), y, label: `${kind}: ${y.toFixed(1)} busy at ${clock((i + 0.5) * width)}` }));
    const shown = points.slice(0, view.isNewest ? points.length : Math.ceil(view.at / width));
    return line(kind, [{ x: 0, y: shown[0]?.y ?? 0 }, ...shown], colours[kind], { stepped: 'after', borderWidth: 1.5, fill: 'origin', backgroundColor: faint(colours[kind], 0.16), pointStyle: 'rect' });
  });
  Object.assign(charts.busy.options.scales.x, { min: 0, max: end });
  charts.busy.update('none');
}

function latencyChart() {
  return new window.Chart(document.getElementById('chart-latency'), {
    type: 'bar',
    data: { labels: [], datasets: [] },
    options: {
      indexAxis: 'y',
      scales: {
        x: { ...axis('seconds', (value) => (Number.isInteger(Math.log10(value)) ? seconds(value) : '')), type: 'logarithmic' },
        y: { ...axis('', (value) => value), title: { display: false }, grid: { display: false } },
      },
      plugins: { tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${seconds(item.raw[1])}` } } },
    },
  });
}

function latency(data, view, kind) {
  const { stages } = data.latency;
  const pairs = percentilesAt(data.latency, view)[kind] ?? stages.map(() => null);
  const known = pairs.flat().filter((value) => value > 0);
  const floor = known.length ? 10 ** Math.floor(Math.log10(Math.min(...known))) : 1e-3;
  const bar = (pick) => pairs.map((pair) => (pair && pair[pick] > 0 ? [floor, pair[pick]] : null));
  const chart = charts.latency;
  chart.data.labels = stages;
  chart.options.scales.y.ticks.callback = (value) => stages[value];
  chart.options.scales.x.min = floor;
  chart.data.datasets = [
    { label: 'median', data: bar(0), backgroundColor: colours[kind], grouped: false, barPercentage: 0.55, order: 0 },
    { label: '95th percentile', data: bar(1), backgroundColor: faint(colours[kind], 0.3), grouped: false, barPercentage: 0.55, order: 1 },
  ];
  chart.update('none');
}

/** The latencies as they were at the moment that is shown. */
export function percentilesAt(latency, view) {
  const index = view.isNewest ? latency.at.length - 1 : Math.max(0, upTo(latency.at.slice(0, -1), view.at) - 1);
  return latency.percentiles[index] ?? {};
}
