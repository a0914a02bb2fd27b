// What happens in a message, and which of it may be applied: an event that begins where the viewer is.

/**
 * @typedef {{
 *   type: string, id: string, start: number, text?: string, message?: any, error?: any, message_id?: string,
 *   name?: string, call_id?: string, arguments?: any, raw?: string, result?: any, is_error?: boolean, value?: any,
 *   conversation?: string, title?: string
 * }} ConverseEvent `id` is the cursor to go on from after it; a tool call's own id is in `call_id`
 */
/** @typedef {"take" | "last" | "rejoin"} Verdict whether to use an event, to end with it, or to come back with the cursor */

export const ENDINGS = new Set(["complete", "failed", "cancelled"]);
const CALLS = new Set(["tool_call", "tool_result"]);

/** Return what a frame says, under the names that events have over every transport. @param {string} type @param {any} data @param {string} id @returns {ConverseEvent} */
export function named(type, data, id) {
  const event = { ...data, type, id };
  if (CALLS.has(type) && !("call_id" in data)) event.call_id = data.id;
  return event;
}

/** Return how many positions an event covers. Text counts in code points, which UTF-16 does not. @param {ConverseEvent} event */
export function width({ type, text }) {
  if (type === "message" || type === "start" || type === "reset" || ENDINGS.has(type)) return 0;
  if (type !== "text" && type !== "reasoning") return 1;
  let count = 0;
  for (const _character of text ?? "") count++;
  return count;
}

/** Where a viewer of one message is. */
export class MessagePlace {
  /** @param {string | number} after a cursor or a position */
  constructor(after = 0) {
    this.cursor = String(after);
    this.position = Number(this.cursor.slice(this.cursor.lastIndexOf(".") + 1));
  }

  /** @param {ConverseEvent} event @returns {Verdict} */
  see(event) {
    if (event.type === "start" || event.type === "reset") this.position = event.start;
    else if (event.start !== this.position) return "rejoin";
    if (ENDINGS.has(event.type)) return "last";
    this.position += width(event);
    this.cursor = event.id;
    return "take";
  }
}

/** Where a viewer of a whole conversation is: its cursor, and the position in each message that is being written. */
export class ConversationPlace {
  /** @type {Map<string, number>} */
  #positions = new Map();

  /** @param {string | number} after a cursor, or the number of the last message that is there */
  constructor(after = 0) {
    this.cursor = String(after);
  }

  /** @param {ConverseEvent} event @returns {Verdict} */
  see(event) {
    if (event.type === "gone") return "last";
    const verdict = event.message_id ? this.#seeMessage(event.message_id, event) : "take";
    if (event.type === "reset" && !event.message_id) this.#positions.clear();
    if (verdict === "take" && event.id) this.cursor = event.id;
    return verdict;
  }

  /** @param {string} id @param {ConverseEvent} event @returns {Verdict} */
  #seeMessage(id, event) {
    if (event.type === "message" || ENDINGS.has(event.type)) {
      this.#positions.delete(id); // both carry the whole message, so neither can leave a gap
      return "take";
    }
    const at = this.#positions.get(id);
    const begins = event.type === "start" || event.type === "reset" || at === undefined;
    if (!begins && event.start !== at) return "rejoin";
    this.#positions.set(id, event.start + width(event));
    return "take";
  }
}
