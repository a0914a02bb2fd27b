// What happens in the conversation, in whatever tab or process: taken from its feed, shown, and told.

import { ENDINGS } from "../events.js";
import { extend, textOf } from "./thread.js";
import { t } from "./words.js";

/** @typedef {import("./thread.js").Message} Message */
/** @typedef {import("../events.js").ConverseEvent} ConverseEvent */

export class Feed {
  /** @type {import("../follow.js").Following | null} */
  #following = null;

  /**
   * @param {import("../client.js").Client} client @param {import("./thread.js").Thread} thread @param {import("./view.js").View} view
   * @param {import("./announcer.js").Announcer} announcer @param {import("./problem.js").Problem} problem
   * @param {{ tell: (name: string, detail: object) => void, gone: () => void }} host
   */
  constructor(client, thread, view, announcer, problem, host) {
    this.client = client;
    this.thread = thread;
    this.view = view;
    this.announcer = announcer;
    this.problem = problem;
    this.host = host;
  }

  /** Watch a conversation, if it is not watched already. @param {string} conversation */
  async watch(conversation) {
    if (!conversation || this.#following) return;
    const following = (this.#following = this.client.watch(conversation, { after: this.thread.after }));
    following.addEventListener("state", (/** @type {CustomEvent} */ { detail }) => this.problem.connection(detail.state, detail.wait));
    try {
      for await (const event of following) this.#take(event);
    } catch (error) {
      this.problem.show(error);
      if (this.#following === following) this.#following = null; // the next question may be answered again
    }
  }

  close() {
    this.#following?.close();
    this.#following = null;
  }

  /** Take a message as it is. @param {Message} message */
  put(message) {
    this.thread.put(message);
    this.view.refresh(message.id);
    this.view.rearrange();
  }

  /** @param {ConverseEvent} event */
  #take(event) {
    if (event.type === "conversation") this.host.tell("converse-title", { title: event.title });
    else if (event.type === "gone") this.host.gone();
    else if (event.type === "message") this.put(event.message);
    else if (event.type === "start" || event.type === "reset") this.#begin(event);
    else if (ENDINGS.has(event.type)) this.#end(event);
    else this.#extend(event);
  }

  /** @param {ConverseEvent} event */
  #begin({ message }) {
    if (!message) {
      this.thread.clear();
      return this.view.clear();
    }
    this.thread.put({ ...message, parts: [] });
    this.view.restart(message.id);
    this.view.rearrange();
    this.announcer.begin();
    this.announcer.say(t("Answer started."));
  }

  /** @param {ConverseEvent} event */
  #extend(event) {
    const message = this.thread.messages.get(event.message_id ?? "");
    if (!message) return;
    extend(message, event);
    this.view.refresh(message.id);
    if (event.type === "text") this.announcer.follow(() => textOf(message));
  }

  /** @param {ConverseEvent} event */
  #end({ type, message }) {
    this.put(message);
    const said = { complete: t("Answer complete."), failed: t("The answer failed."), cancelled: t("Answer stopped.") };
    this.announcer.say(said[/** @type {keyof typeof said} */ (type)]);
    this.host.tell("converse-answer", { id: message.id, status: type });
  }
}
