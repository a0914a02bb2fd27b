// What a screen reader is told: that an answer begins and ends, and its sentences between, one thing in five seconds.

const APART = 5_000;
const LONGEST = 300;
const LONGEST_LOOK = 4_000;
/** Whole sentences, as many as there are. */
const SENTENCES = /^.*[.!?…。！？](?=\s)/s;

export class Announcer {
  #last = -Infinity;
  #waiting = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #said = 0;

  /** @param {Element} region the live region @param {string} manner "sentences", "done" or "off" */
  constructor(region, manner) {
    this.region = region;
    this.manner = manner;
  }

  /** Say something soon; what is newer takes its place. @param {string} text */
  say(text) {
    if (this.manner === "off") return;
    this.#waiting = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#speak(), Math.max(0, this.#last + APART - performance.now()));
  }

  /** Forget how much of an answer was said. */
  begin() {
    this.#said = 0;
  }

  /** Say the sentences of a growing text that are finished and were not said. @param {() => string} text */
  follow(text) {
    if (this.manner !== "sentences" || performance.now() < this.#last + APART || this.#waiting) return;
    const whole = text();
    this.#said = Math.max(this.#said, whole.length - LONGEST_LOOK);
    const end = this.#said + (SENTENCES.exec(whole.slice(this.#said))?.[0].length ?? 0);
    const fresh = whole.slice(this.#said, end).replace(/[*_`#>|]+/g, "").trim();
    this.#said = end;
    // Of more than can be said in five seconds the last sentences are.
    if (fresh) this.say(fresh.length > LONGEST ? fresh.slice(-LONGEST).replace(/^.*?[.!?…。！？]\s+(?=\S)/s, "") : fresh);
  }

  end() {
    clearTimeout(this.#timer);
  }

  #speak() {
    this.#last = performance.now();
    this.region.textContent = this.#waiting;
    this.#waiting = "";
  }
}
