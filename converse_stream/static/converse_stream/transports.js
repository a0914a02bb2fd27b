// Three ways to the same events: a stream read with fetch, a WebSocket, the browser's own EventSource.

import { Ended } from "./connection.js";
import { Refused, unexpected } from "./errors.js";
import { named } from "./events.js";
import { EventStreamDecoder } from "./sse.js";

/** @typedef {import("./events.js").ConverseEvent} ConverseEvent */
/** @typedef {import("./connection.js").Opening} Opening */
/**
 * @typedef {{ url: string, ask: { type: "follow", message: string } | { type: "watch", conversation: string }, headers: () => HeadersInit }} Subject
 * what is followed: its address for server-sent events, and how a socket is asked for it
 */
/** @typedef {(subject: Subject, opening: Opening) => AsyncIterable<ConverseEvent>} Transport */

/** @type {Transport} */
export async function* fetchStream({ url, headers }, { cursor, signal, alive, pace }) {
  const response = await fetch(withCursor(url, cursor), {
    headers: { ...Object.fromEntries(new Headers(headers())), Accept: "text/event-stream" },
    cache: "no-store",
    credentials: "same-origin",
    signal,
  });
  if (response.status === 204) throw new Ended();
  if (!response.ok) throw await Refused.from(response);
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream") || !response.body) throw unexpected(response);
  const reader = response.body.getReader();
  const decoder = new EventStreamDecoder();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return; // what has no blank line after it was cut off
    alive();
    for (const { type, data, id } of decoder.feed(value)) yield named(type, JSON.parse(data), id);
    if (decoder.retry !== null) pace(decoder.retry);
  }
}

const KINDS = ["start", "text", "reasoning", "tool_call", "tool_result", "data", "reset", "complete", "failed", "cancelled"];
const UPDATES = ["conversation", "message", "gone"];

/** For a page that may not use fetch streams. It cannot see a status; one that is final for it is looked at with fetch. @type {Transport} */
export async function* eventSource(subject, opening) {
  const source = new EventSource(withCursor(subject.url, opening.cursor));
  const queue = new Queue();
  for (const kind of [...KINDS, ...UPDATES]) {
    source.addEventListener(kind, (event) => queue.put(named(kind, JSON.parse(event.data), event.lastEventId)));
  }
  source.onopen = opening.alive;
  source.onerror = () => queue.end();
  opening.signal.addEventListener("abort", () => queue.end());
  let isRefused = false;
  try {
    for await (const event of queue) {
      opening.alive();
      yield event;
    }
    isRefused = source.readyState === EventSource.CLOSED && !opening.signal.aborted;
  } finally {
    source.close();
  }
  if (isRefused) yield* fetchStream(subject, opening);
}

const LASTING = new Map([
  [4401, { status: 401, code: "login_required", message: "You are signed out. Sign in again to go on." }],
  [4404, { status: 404, code: "not_found", message: "This does not exist any more." }],
]);
const PASSING_CODES = new Set(["too_many_viewers", "too_many_frames", "too_many_follows", "too_many_requests", "store_unavailable", "internal"]);
const PING = 15_000;

/** @param {string} address of the consumer, such as "/ws/converse/" @returns {Transport} */
export function webSocket(address) {
  return async function* ({ ask }, { cursor, signal, alive }) {
    const url = new URL(address, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    const queue = new Queue();
    const ping = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send('{"type":"ping"}'), PING);
    socket.onopen = () => socket.send(JSON.stringify({ ...ask, after: cursor }));
    socket.onmessage = ({ data }) => queue.put(JSON.parse(data));
    socket.onclose = ({ code }) => {
      const lasting = LASTING.get(code);
      queue.end(lasting && new Refused(lasting.status, lasting.message, lasting));
    };
    signal.addEventListener("abort", () => queue.end());
    try {
      for await (const frame of queue) {
        alive();
        if (frame.type === "end") throw new Ended();
        if (frame.type === "error") throw new Refused(PASSING_CODES.has(frame.code) ? 503 : 400, frame.message, frame);
        if ("id" in frame && frame.type !== "reply" && frame.type !== "pong") yield named(frame.type, frame, frame.id);
      }
    } finally {
      clearInterval(ping);
      socket.close();
    }
  };
}

/** @param {string} url @param {string} cursor */
function withCursor(url, cursor) {
  return `${url}${url.includes("?") ? "&" : "?"}after=${encodeURIComponent(cursor)}`;
}

/** From callbacks to an async iterator. */
class Queue {
  /** @type {any[]} */
  #items = [];
  #isOver = false;
  /** @type {Error | undefined} */
  #error;
  #wake = () => {};

  /** @param {any} item */
  put(item) {
    this.#items.push(item);
    this.#wake();
  }

  /** @param {Error} [error] */
  end(error) {
    this.#isOver = true;
    this.#error ??= error;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#items.length) yield this.#items.shift();
      if (this.#error) throw this.#error;
      if (this.#isOver) return;
      await new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#wake = resolve));
    }
  }
}
