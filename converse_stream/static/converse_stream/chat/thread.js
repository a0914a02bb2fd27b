// The messages of a conversation: a tree of what follows what, and the one line of it that is shown.

/** @typedef {{ type: string, text?: string, name?: string, id?: string, [key: string]: any }} Part */
/**
 * @typedef {{
 *   id: string, parent: string | null, number: number, role: string, status: string, parts: Part[] | null,
 *   error?: { code: string, message: string, retryable: boolean } | null, finish_reason?: string | null,
 *   duration?: number | null, output_tokens?: number | null, input_tokens?: number | null, cost?: string | null
 * }} Message `parts` is null where they are not known here
 */

const LIVE = new Set(["pending", "streaming"]);
const TEXTS = new Set(["text", "reasoning"]);

/** @param {Message} message */
export const isLive = (message) => LIVE.has(message.status);

/** @param {Message} message */
export const textOf = (message) => (message.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");

/** @param {Message} message */
export const placeOf = (message) => `${message.parent} ${message.role}`;

/** Add what an event brings to a message that is being written. @param {Message} message @param {import("../events.js").ConverseEvent} event */
export function extend(message, event) {
  const parts = (message.parts ??= []);
  const last = parts.at(-1);
  if (!TEXTS.has(event.type)) parts.push({ ...event, id: event.call_id });
  else if (last?.type === event.type) last.text += event.text ?? "";
  else parts.push({ type: event.type, text: event.text ?? "" });
}

export class Thread {
  /** @type {Map<string, Message>} */
  messages = new Map();

  /** Add a message, or what is new about it; one that keeps its identity. @param {Message} message @returns {Message} */
  put(message) {
    const known = this.messages.get(message.id);
    if (!known) {
      this.messages.set(message.id, message);
      return message;
    }
    const { parts, ...facts } = message;
    Object.assign(known, facts);
    if (parts) known.parts = parts;
    return known;
  }

  clear() {
    this.messages.clear();
  }

  /** The answer that is being written. */
  get live() {
    return [...this.messages.values()].find(isLive);
  }

  get isEmpty() {
    return this.messages.size === 0;
  }

  /** Where to begin watching so that a live answer is seen whole: the number before it, or the newest. */
  get after() {
    const live = [...this.messages.values()].filter(isLive).map((message) => message.number - 1);
    return Math.min(...live, Math.max(0, ...[...this.messages.values()].map((message) => message.number)));
  }

  /** Return the line through a message, or the newest one, oldest first: the order in which the server shows it, too. @param {string | null} [through] @returns {Message[]} */
  branch(through = null) {
    const children = this.#children();
    const newest = this.#newest();
    const chosen = this.#above(through);
    const rank = (/** @type {Message} */ message) => (chosen.has(message.id) ? 1e12 : 0) + (newest.get(message.id) ?? 0);
    const pick = (/** @type {Message[]} */ among) => among.reduce((best, next) => (rank(next) > rank(best) ? next : best));
    /** @type {Message[]} */
    const line = [];
    for (let next = children.get(null); next; next = children.get(line.at(-1)?.id ?? null)) {
      // A question after a failed answer hangs on the first question: both are shown, one after the other.
      const failed = next.filter((message) => message.role === "assistant" && message.status === "failed" && !children.has(message.id));
      const questions = next.filter((message) => message.role === "user");
      let picked = pick(next);
      if (failed.includes(picked) && questions.length) {
        line.push(picked);
        picked = pick(questions);
      } else if (picked.role === "user" && failed.length) {
        line.push(/** @type {Message} */ (failed.at(-1)));
      }
      line.push(picked);
    }
    return line;
  }

  /** Return the messages that were tried in a message's place, oldest first. @param {Message} message */
  versions(message) {
    return this.places().get(placeOf(message)) ?? [message];
  }

  /** Return what was tried in each place, oldest first. */
  places() {
    /** @type {Map<string, Message[]>} */
    const places = new Map();
    for (const message of [...this.messages.values()].sort((one, other) => one.number - other.number)) {
      const place = placeOf(message);
      places.set(place, [...(places.get(place) ?? []), message]);
    }
    return places;
  }

  /** Return the message that the next question of a branch follows. @param {Message[]} branch */
  leaf(branch) {
    return branch.findLast((message) => message.status !== "failed") ?? null;
  }

  /** @returns {Map<string | null, Message[]>} */
  #children() {
    /** @type {Map<string | null, Message[]>} */
    const children = new Map();
    for (const message of [...this.messages.values()].sort((one, other) => one.number - other.number)) {
      // What hangs on a message that is not shown (a system message) begins the line.
      const parent = message.parent !== null && this.messages.has(message.parent) ? message.parent : null;
      const siblings = children.get(parent);
      if (siblings) siblings.push(message);
      else children.set(parent, [message]);
    }
    return children;
  }

  /** Return the newest number in or under each message. */
  #newest() {
    const newest = new Map([...this.messages.values()].map((message) => [message.id, message.number]));
    for (const message of [...this.messages.values()].sort((one, other) => other.number - one.number)) {
      if (message.parent !== null && newest.has(message.parent)) {
        newest.set(message.parent, Math.max(newest.get(message.parent) ?? 0, newest.get(message.id) ?? 0));
      }
    }
    return newest;
  }

  /** @param {string | null} id */
  #above(id) {
    const line = new Set();
    for (let at = this.messages.get(id ?? ""); at && !line.has(at.id); at = this.messages.get(at.parent ?? "")) line.add(at.id);
    return line;
  }
}
