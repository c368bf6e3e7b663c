// Numbers and times as people read them.

export const NOTHING = '–';

/** A duration: 0:07, 12:30, 3:05:00. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NOTHING;
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A value with four digits and its unit. */
export function quantity(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  return unit ? `${digits(value)}\u00a0${unit}` : digits(value);
}

export function digits(value, count = 4) {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e6 || size < 1e-4) ? value.toExponential(count - 1) : value.toPrecision(count);
}

/** A short time: 4.2 ms, 1.3 s, 2.0 min. */
export function seconds(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value < 0.0005) return `${(value * 1e6).toFixed(0)} µs`;
  if (value < 1) return `${digits(value * 1000, value < 0.1 ? 2 : 3)} ms`;
  if (value < 120) return `${digits(value, 3)} s`;
  return value < 7200 ? `${(value / 60).toFixed(1)} min` : `${(value / 3600).toFixed(1)} h`;
}

export function count(number) {
  return number.toLocaleString('en');
}

export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}

/** A new element with a class and text, which is never read as markup. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Write text where it differs, so that nothing is laid out or spoken again for nothing. */
export function write(id, text) {
  const target = document.getElementById(id);
  if (target.textContent !== String(text)) target.textContent = text;
}
