// What was known at one moment of the campaign: everything that is shown follows from this.

export const BEST_SHOWN = 12;

/**
 * The campaign at a moment.
 * @param {object} data the newest sections, by name
 * @param {number|null} cursor campaign seconds; null for the newest there is
 */
export function look(data, cursor) {
  const { now, timeline, best, seen } = data;
  const isNewest = cursor === null || cursor >= now.at;
  const at = isNewest ? now.at : cursor;
  const progress = isNewest ? now : frame(timeline, at);
  const entrants = rows(best, upTo(best.at, at));
  const sign = data.run.objective.maximize ? 1 : -1;
  const top = entrants.toSorted((a, b) => sign * (b.value - a.value)).slice(0, BEST_SHOWN);
  const steps = entrants.filter((entry) => entry.is_best);
  return { at, isNewest, progress, top, steps, dots: rows(seen, upTo(seen.at, at)) };
}

/** How many of rising positions are at most a limit. */
export function upTo(positions, limit) {
  let [low, high] = [0, positions.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (positions[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function frame(timeline, at) {
  const index = Math.max(0, upTo(timeline.at, at) - 1);
  return Object.fromEntries(Object.entries(timeline).map(([name, column]) => [name, column[index]]));
}

function rows(columns, length) {
  const names = Object.keys(columns);
  return Array.from({ length }, (_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}
