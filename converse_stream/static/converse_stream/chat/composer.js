// The box at the bottom: what is being written, kept over a reload, sent by Enter unless an input method is at work.

/** What an input method is composing belongs to it, Enter included. @param {KeyboardEvent} event */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

export class Composer {
  /** @param {HTMLFormElement} form @param {{ send: () => void, editLast: () => void }} actions @param {() => string} key of the draft */
  constructor(form, actions, key) {
    this.form = form;
    this.box = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
    this.send = /** @type {HTMLButtonElement} */ (form.querySelector(".send"));
    this.stop = /** @type {HTMLButtonElement} */ (form.querySelector(".stop"));
    this.key = key;
    this.box.value ||= this.#kept;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      actions.send();
    });
    this.box.addEventListener("input", () => this.#keep());
    this.box.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        actions.send();
      } else if (event.key === "ArrowUp" && !this.box.value) {
        event.preventDefault();
        actions.editLast();
      }
    });
  }

  get text() {
    return this.box.value;
  }

  set text(text) {
    this.box.value = text;
    this.#keep();
  }

  /** Show Stop while an answer is written, Send otherwise; who was on the one that goes is led to the box. @param {boolean} isLive */
  show(isLive) {
    const root = /** @type {ShadowRoot} */ (this.form.getRootNode());
    const hadFocus = root.activeElement === this.stop;
    this.stop.hidden = !isLive;
    this.send.hidden = isLive;
    if (hadFocus && !isLive) this.box.focus();
  }

  // Storage may be full, or forbidden: then a draft lives as long as its page.

  get #kept() {
    try {
      return sessionStorage.getItem(this.key()) ?? "";
    } catch {
      return "";
    }
  }

  #keep() {
    try {
      if (this.text) sessionStorage.setItem(this.key(), this.text);
      else sessionStorage.removeItem(this.key());
    } catch {
      return;
    }
  }
}
