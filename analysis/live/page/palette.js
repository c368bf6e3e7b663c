// The page's colours, for charts, which cannot read them from the style sheet themselves.

const NAMES = ['text', 'muted', 'line', 'card', 'honey', 'honey-fill', 'simulate', 'train', 'infer', 'bad'];

export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** The same colour, less opaque. */
export function faint(colour, share) {
  return `color-mix(in srgb, ${colour} ${Math.round(share * 100)}%, transparent)`;
}

export function onChange(listener) {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', listener);
}
