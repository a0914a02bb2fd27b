// Follow a message, or watch a conversation: as an async iterator, or as events of an EventTarget.

import { stay } from "./connection.js";
import { ConversationPlace, MessagePlace } from "./events.js";
import { Surroundings } from "./surroundings.js";
import { fetchStream } from "./transports.js";

/** @typedef {import("./events.js").ConverseEvent} ConverseEvent */
/** @typedef {import("./connection.js").State} State */
/**
 * @typedef {{
 *   after?: string | number,
 *   base?: string,
 *   headers?: HeadersInit | (() => HeadersInit),
 *   transport?: import("./transports.js").Transport,
 *   signal?: AbortSignal,
 *   silence?: number,
 *   staysWhileHidden?: boolean,
 *   surroundings?: Surroundings,
 *   random?: () => number
 * }} FollowOptions
 * `after`: a cursor or a position (of a conversation: a message's number); `base`: where the REST paths are mounted;
 * `silence`: milliseconds without a heartbeat after which the connection counts as lost
 */

const ID = /^[0-9a-f-]{36}$/;

/** Follow a message to its ending. @param {string | { id: string, stream_url?: string }} message its id, its address, or what asking returned @param {FollowOptions} [options] */
export function follow(message, options = {}) {
  const named = typeof message === "string" ? message : (message.stream_url ?? message.id);
  const url = ID.test(named) ? `${options.base ?? "/api/"}messages/${named}/stream/` : named;
  const id = /[0-9a-f-]{36}/.exec(named)?.[0] ?? "";
  return new Following(url, { type: "follow", message: id }, new MessagePlace(options.after), options);
}

/** Watch what happens in a conversation, whoever does it; it ends only when the conversation is gone. @param {string | { id: string }} conversation its id or its address @param {FollowOptions} [options] */
export function watch(conversation, options = {}) {
  const named = typeof conversation === "string" ? conversation : conversation.id;
  const url = ID.test(named) ? `${options.base ?? "/api/"}conversations/${named}/events/` : named;
  const id = /[0-9a-f-]{36}/.exec(named)?.[0] ?? "";
  return new Following(url, { type: "watch", conversation: id }, new ConversationPlace(options.after), options);
}

/**
 * What is being followed. Iterate over it, or add listeners: for each kind of event, for "event" (all of them),
 * "state", "error" and "end". `detail` of a kind is the event, of "state" `{ state, wait }`. It begins with either.
 */
export class Following extends EventTarget {
  /** @type {State} */
  state = "connecting";
  #abort = new AbortController();
  #place;
  /** @type {AsyncGenerator<ConverseEvent, void, void>} */
  #events;
  #isPumped = false;

  /**
   * @param {string} url
   * @param {import("./transports.js").Subject["ask"]} ask
   * @param {MessagePlace | ConversationPlace} place
   * @param {FollowOptions} options
   */
  constructor(url, ask, place, options) {
    super();
    const { transport = fetchStream, headers = {}, staysWhileHidden, silence, random, signal } = options;
    const subject = { url, ask, headers: () => (typeof headers === "function" ? headers() : headers) };
    const surroundings = options.surroundings ?? new Surroundings({ staysWhileHidden });
    const tell = (/** @type {State} */ state, wait = 0) => this.#tell(state, wait);
    if (signal?.aborted) this.close();
    signal?.addEventListener("abort", () => this.close());
    this.#place = place;
    this.#events = stay({
      open: (opening) => transport(subject, opening),
      signal: this.#abort.signal,
      place, tell, surroundings, silence, random,
    });
  }

  /** Where to go on from, to be kept for a later visit. */
  get cursor() {
    return this.#place.cursor;
  }

  /** Stop following. The answer goes on; to stop it is a request of its own. */
  close() {
    this.#abort.abort();
  }

  async *[Symbol.asyncIterator]() {
    try {
      yield* this.#events;
    } finally {
      this.close();
      this.#tell("ended", 0);
    }
  }

  /** @param {string} type @param {any} listener @param {any} [options] */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    // "state" goes with iterating, too; any other listener wants to be called.
    if (type === "state" || this.#isPumped) return;
    this.#isPumped = true;
    queueMicrotask(() => this.#pump());
  }

  async #pump() {
    try {
      for await (const event of this) {
        this.dispatchEvent(new CustomEvent(event.type, { detail: event }));
        this.dispatchEvent(new CustomEvent("event", { detail: event }));
      }
    } catch (error) {
      this.dispatchEvent(new CustomEvent("error", { detail: error }));
    }
    this.dispatchEvent(new CustomEvent("end"));
  }

  /** @param {State} state @param {number} wait */
  #tell(state, wait) {
    if (state === this.state && !wait) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, wait } }));
  }
}
