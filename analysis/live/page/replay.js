// The moment that is shown: the newest, or one that a person chose, or one after another.

import { clock, write } from '#format';

const SHAPES = { play: 'M4 2.500v11l9-5.500z', pause: 'M4 2.500h3v11H4zM9 2.500h3v11H9z' };
const STEPS = 1000;

export class Replay extends EventTarget {
  cursor = null;
  #end = 0;
  #timer = null;
  #slider = document.getElementById('moment');
  #play = document.getElementById('play');
  #live = document.getElementById('live');
  #speed = document.getElementById('speed');

  constructor() {
    super();
    this.#slider.addEventListener('input', () => {
      this.#pause();
      this.go(Number(this.#slider.value) >= STEPS ? null : (this.#slider.value / STEPS) * this.#end);
    });
    this.#play.addEventListener('click', () => (this.#timer === null ? this.#start() : this.#stop()));
    this.#live.addEventListener('click', () => {
      this.#pause();
      this.go(null);
    });
  }

  /** The campaign has come to here, in its own seconds. */
  reach(end, isRunning) {
    this.#end = end;
    this.#slider.disabled = this.#play.disabled = !(end > 0);
    this.#live.classList.toggle('following', isRunning);
    write('live-text', isRunning ? 'Live' : 'End');
    this.#show();
  }

  /** Show a moment; null for the newest. */
  go(cursor) {
    this.cursor = cursor === null || cursor >= this.#end ? null : Math.max(0, cursor);
    this.#show();
    this.dispatchEvent(new Event('change'));
  }

  #start() {
    if (this.cursor === null) this.cursor = 0;
    let before = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.go(this.cursor + ((now - before) / 1000) * Number(this.#speed.value));
      before = now;
      if (this.cursor === null) this.#stop();
    }, 100);
    this.go(this.cursor);
  }

  #pause() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #stop() {
    this.#pause();
    this.#show();
  }

  #show() {
    const at = this.cursor ?? this.#end;
    const playing = this.#timer !== null;
    const value = this.#end > 0 ? Math.round((at / this.#end) * STEPS) : STEPS;
    if (document.activeElement !== this.#slider || playing || this.cursor === null) this.#slider.value = value;
    const text = `${clock(at)} of ${clock(this.#end)}`;
    this.#slider.setAttribute('aria-valuetext', text);
    write('at', text.replace('of', '/'));
    this.#play.setAttribute('aria-pressed', playing);
    write('play-text', playing ? 'Pause' : 'Play');
    document.getElementById('play-shape').setAttribute('d', playing ? SHAPES.pause : SHAPES.play);
    this.#live.setAttribute('aria-pressed', this.cursor === null);
  }
}
