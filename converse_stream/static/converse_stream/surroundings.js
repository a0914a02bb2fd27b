// What a connection has to know of its page: hidden or not, online or not, frozen in the back/forward cache or not.
// Outside a browser (a worker, Node) it is always there and online.

/** @typedef {"hidden" | "offline" | ""} Absence why there should be no connection now */

const GRACE = 10_000; // milliseconds that a page may be hidden before it lets go of its connection

export class Surroundings {
  #isFrozen = false;
  #isHiddenForLong = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {{ target?: any, grace?: number, staysWhileHidden?: boolean }} [options] `target` is the window */
  constructor({ target = globalThis, grace = GRACE, staysWhileHidden = false } = {}) {
    this.target = target;
    this.grace = grace;
    this.staysWhileHidden = staysWhileHidden;
    this.#isHiddenForLong = this.#isHidden;
  }

  /** @returns {Absence} */
  get absence() {
    if (this.#isFrozen || this.#isHiddenForLong) return "hidden";
    return this.target.navigator?.onLine === false ? "offline" : "";
  }

  get #isHidden() {
    return !this.staysWhileHidden && this.target.document?.visibilityState === "hidden";
  }

  /** Call back on every change, until the returned function is called. @param {() => void} listener */
  subscribe(listener) {
    if (!this.#listeners.size) this.#listen("addEventListener");
    this.#listeners.add(listener);
    return () => {
      if (this.#listeners.delete(listener) && !this.#listeners.size) this.#listen("removeEventListener");
    };
  }

  /** @param {"addEventListener" | "removeEventListener"} method */
  #listen(method) {
    for (const name of ["online", "offline", "pagehide", "pageshow"]) this.target[method]?.(name, this.#note);
    this.target.document?.[method]("visibilitychange", this.#note);
    clearTimeout(this.#timer);
    if (method === "addEventListener") this.#noteVisibility();
  }

  /** @param {Event} event */
  #note = (event) => {
    // A page with an open connection is not kept for the Back button, so leaving it lets go at once.
    if (event.type === "pagehide") this.#isFrozen = true;
    else if (event.type === "pageshow") this.#isFrozen = false;
    this.#noteVisibility();
    this.#tell();
  };

  #noteVisibility() {
    clearTimeout(this.#timer);
    if (!this.#isHidden) {
      this.#isHiddenForLong = false;
    } else if (!this.#isHiddenForLong) {
      this.#timer = setTimeout(() => {
        this.#isHiddenForLong = true;
        this.#tell();
      }, this.grace);
    }
  }

  #tell() {
    for (const listener of [...this.#listeners]) listener();
  }
}
