// Follow one answer over server-sent events until it ends, however often the connection breaks on the way.

const ENDINGS = new Set(["complete", "failed", "cancelled"]);
const SILENCE = 45_000; // milliseconds: three heartbeats that did not come
const LONGEST_PAUSE = 30_000;

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(status, message, code = "", retryAfter = 0) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }

  static async from(response) {
    const body = await response.json().catch(() => ({}));
    const sentence = Object.values(body).flat().find((value) => typeof value === "string");
    const message = body.error?.message ?? sentence ?? `The server refused this (${response.status}).`;
    return new Refused(response.status, message, body.error?.code, Number(response.headers.get("Retry-After")) || 0);
  }

  /** Whether asking again later may help. */
  get passes() {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
}

/**
 * Yield the events of an answer in order, each exactly once: { type, id, start, … }. `after` is a position or a cursor.
 * Return after the ending; throw Refused when the server says no for good.
 */
export async function* follow(url, { after = 0, onstate = () => {} } = {}) {
  const at = { cursor: String(after), position: Number(after) };
  const pauses = { base: 1000, failures: 0 };
  for (;;) {
    let wait = 0;
    try {
      for await (const event of connect(url, at.cursor, pauses)) {
        // Not what comes next: something was lost on the way, so join again at the last known place.
        if (event.start !== at.position && event.type !== "reset") break;
        pauses.failures = 0;
        onstate("live");
        yield event;
        if (ENDINGS.has(event.type)) return;
        at.cursor = event.id;
        at.position = Number(event.id.slice(event.id.lastIndexOf(".") + 1));
      }
    } catch (error) {
      if (error instanceof Refused && !error.passes) throw error;
      wait = (error.retryAfter ?? 0) * 1000;
    }
    onstate("reconnecting");
    await pause(wait + Math.random() * Math.min(LONGEST_PAUSE, pauses.base * 2 ** pauses.failures++));
  }
}

async function* connect(url, cursor, pauses) {
  const abort = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE);
  };
  alive();
  try {
    const response = await fetch(`${url}?after=${encodeURIComponent(cursor)}`, {
      headers: { Accept: "text/event-stream" },
      cache: "no-store",
      signal: abort.signal,
    });
    if (!response.ok) throw await Refused.from(response);
    if (response.status === 204) throw new Refused(204, "This answer has ended.");
    for await (const field of blocks(response.body, alive)) {
      if (field.retry) pauses.base = Number(field.retry);
      if (field.data !== undefined) yield { ...JSON.parse(field.data), type: field.event ?? "message", id: field.id };
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** Yield what lies between blank lines: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
async function* blocks(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let block = {};
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return; // what has no blank line after it was cut off
    alive();
    // A carriage return at the very end may be the first half of a line end.
    const lines = (rest + value).split(/\r\n|\n|\r(?=[^])/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        yield block;
        block = {};
      } else if (!line.startsWith(":")) {
        const [, name, text] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line);
        block[name] = name === "data" && "data" in block ? `${block.data}\n${text}` : text;
      }
    }
  }
}

/** Wait, but not past the moment when the device is online again. */
function pause(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    addEventListener("online", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
