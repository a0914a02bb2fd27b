// Bytes in, events out: the WHATWG event stream format, without any I/O.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** @typedef {{ type: string, data: string, id: string }} ServerSentEvent */

const LINE_END = /\r\n?|\n/g;

export class EventStreamDecoder {
  /** Milliseconds between connections as the server wants them; null until it says. @type {number | null} */
  retry = null;
  /** The cursor, also of an event without data. */
  lastEventId = "";
  #text = new TextDecoder();
  /** @type {string[]} Pieces of a line that has no end yet: only new text is searched, so that a long line costs once. */
  #line = [];
  #skipsLineFeed = false;
  #type = "";
  /** @type {string[]} */
  #data = [];

  /** Return the events that these bytes complete, wherever the stream was cut. @param {Uint8Array} bytes */
  feed(bytes) {
    /** @type {ServerSentEvent[]} */
    const events = [];
    const text = this.#text.decode(bytes, { stream: true });
    if (!text) return events;
    // A carriage return has ended its line already; a line feed after it, in the next bytes, belongs to it.
    let from = this.#skipsLineFeed && text[0] === "\n" ? 1 : 0;
    this.#skipsLineFeed = text.endsWith("\r");
    LINE_END.lastIndex = from;
    for (let end; (end = LINE_END.exec(text)); from = LINE_END.lastIndex) {
      this.#line.push(text.slice(from, end.index));
      this.#interpret(this.#line.join(""), events);
      this.#line = [];
    }
    if (from < text.length) this.#line.push(text.slice(from));
    return events;
  }

  /** @param {string} line @param {ServerSentEvent[]} events */
  #interpret(line, events) {
    if (line === "") return this.#dispatch(events);
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (name === "data") {
      this.#data.push(value);
    } else if (name === "event") {
      this.#type = value;
    } else if (name === "id") {
      if (!value.includes("\0")) this.lastEventId = value;
    } else if (name === "retry" && /^[0-9]+$/.test(value)) {
      this.retry = Number(value);
    }
  }

  /** @param {ServerSentEvent[]} events */
  #dispatch(events) {
    const data = this.#data.join("\n");
    if (data !== "" || this.#data.length > 1) {
      events.push({ type: this.#type || "message", data, id: this.lastEventId });
    }
    this.#type = "";
    this.#data = [];
  }
}
