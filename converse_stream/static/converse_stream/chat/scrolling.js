// The pane stays at its end while text comes, until somebody scrolls up; then it is left alone.

const NEAR = 40; // pixels from the end that count as being there

export class Scrolling {
  #isPinned = true;
  #top = 0;

  /** @param {HTMLElement} pane @param {HTMLElement} latest the button that leads back to the end */
  constructor(pane, latest) {
    this.pane = pane;
    this.latest = latest;
    pane.addEventListener("scroll", () => this.#look(), { passive: true });
    // What a person does counts before the browser has moved anything.
    pane.addEventListener("wheel", (event) => event.deltaY < 0 && this.#unpin(), { passive: true });
    latest.addEventListener("click", () => this.toEnd());
  }

  /** Go to the end, if the reader is there. */
  keepUp() {
    if (this.#isPinned) this.pane.scrollTop = this.pane.scrollHeight;
    this.latest.hidden = this.#isPinned;
  }

  toEnd() {
    this.#isPinned = true;
    this.keepUp();
  }

  #unpin() {
    if (this.pane.scrollHeight <= this.pane.clientHeight) return;
    this.#isPinned = false;
    this.latest.hidden = false;
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.pane;
    // Text may have come between our own scrolling and this event: only a person scrolls up.
    this.#isPinned = scrollHeight - scrollTop - clientHeight < NEAR || (this.#isPinned && scrollTop >= this.#top);
    this.#top = scrollTop;
    this.latest.hidden = this.#isPinned;
  }
}
