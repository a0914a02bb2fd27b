// <converse-chat>: a conversation on a page. `{% converse_chat conversation %}` writes it; this makes it live.

import { shadowOf } from "./chat/page.js";
import { Talk } from "./chat/talk.js";
import { textOf } from "./chat/thread.js";

export class ConverseChat extends HTMLElement {
  /** @type {Talk | null} */
  #talk = null;

  connectedCallback() {
    const shadow = shadowOf(this);
    if (!shadow) return;
    this.#talk ??= new Talk(this, shadow);
    this.#talk.watch();
  }

  disconnectedCallback() {
    this.#talk?.close();
  }

  /** What is shown, oldest first. @returns {{ id: string, role: string, status: string, text: string }[]} */
  get messages() {
    return (this.#talk?.view.branch ?? []).map((message) => ({
      id: message.id, role: message.role, status: message.status, text: textOf(message),
    }));
  }

  /** Ask, as if it had been typed and sent. @param {string} text */
  async ask(text) {
    await this.#talk?.ask(text);
  }
}

customElements.define("converse-chat", ConverseChat);
