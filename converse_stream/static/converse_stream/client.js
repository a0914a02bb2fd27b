// The door for pages of your own: ask, follow, watch, stop. Nothing here knows what a page looks like.

import { Refused, unexpected } from "./errors.js";
import { follow, Following, watch } from "./follow.js";
import { eventSource, fetchStream, webSocket } from "./transports.js";

export { Refused, Following, follow, watch, eventSource, fetchStream, webSocket };

/** @typedef {import("./follow.js").FollowOptions} FollowOptions */
/** @typedef {{ user_message?: any, message: any, stream_url: string }} Asked */
/** @typedef {{ key?: string, parent?: string, model?: string, options?: object, interrupt?: boolean }} AskOptions `key` makes asking again safe; one is made unless it is given */

const TRIES = 4;
const PAUSE = 400;

export class Client {
  /** @param {{ base?: string, csrf?: string | (() => string), headers?: HeadersInit }} [options] `base`: where the REST paths are mounted */
  constructor({ base = "/api/", csrf = csrfCookie, headers = {} } = {}) {
    this.base = base;
    this.csrf = csrf;
    this.headers = headers;
  }

  /** Ask, and return both messages as soon as they are stored. Repeated over a bad connection, it asks once. @param {string} conversation @param {string} content @param {AskOptions} [options] @returns {Promise<Asked>} */
  ask(conversation, content, { key, ...asked } = {}) {
    return this.#start(`conversations/${conversation}/messages/`, { content, ...asked }, key);
  }

  /** Ask in other words: a branch beside the question. @param {string} question @param {string} content @param {AskOptions} [options] @returns {Promise<Asked>} */
  edit(question, content, { key, ...asked } = {}) {
    return this.#start(`messages/${question}/edit/`, { content, ...asked }, key);
  }

  /** Answer once more, beside the answer. @param {string} message @param {AskOptions} [options] @returns {Promise<Asked>} */
  regenerate(message, { key, ...asked } = {}) {
    return this.#start(`messages/${message}/regenerate/`, asked, key);
  }

  /** Try an answer again, by the same model. @param {string} message @param {{ key?: string, interrupt?: boolean }} [options] @returns {Promise<Asked>} */
  retry(message, { key, ...asked } = {}) {
    return this.#start(`messages/${message}/retry/`, asked, key);
  }

  /** Stop an answer; what is there is kept. Return the message as it then is. @param {string} message @returns {Promise<any>} */
  cancel(message) {
    return this.request("POST", `messages/${message}/cancel/`, {});
  }

  /** @param {string} message @returns {Promise<any>} */
  message(message) {
    return this.request("GET", `messages/${message}/`);
  }

  /** Open a conversation. @param {object} [fields] @returns {Promise<any>} */
  open(fields = {}) {
    return this.request("POST", "conversations/", fields);
  }

  /** @param {string | { id: string, stream_url?: string }} message @param {FollowOptions} [options] */
  follow(message, options = {}) {
    return follow(message, { base: this.base, headers: this.headers, ...options });
  }

  /** @param {string | { id: string }} conversation @param {FollowOptions} [options] */
  watch(conversation, options = {}) {
    return watch(conversation, { base: this.base, headers: this.headers, ...options });
  }

  /** Return what the server answers, as JSON. Throw Refused, or TypeError where it cannot be reached. @param {string} method @param {string} path below `base` @param {object} [data] @param {Record<string, string>} [more] headers @returns {Promise<any>} */
  async request(method, path, data, more = {}) {
    const headers = new Headers({ ...Object.fromEntries(new Headers(this.headers)), Accept: "application/json", ...more });
    if (data) headers.set("Content-Type", "application/json");
    const token = typeof this.csrf === "function" ? this.csrf() : this.csrf;
    if (method !== "GET" && token) headers.set("X-CSRFToken", token);
    const body = data && JSON.stringify(data);
    const response = await fetch(this.base + path, { method, headers, body, credentials: "same-origin" });
    if (!response.ok) throw await Refused.from(response);
    if (response.status === 204) return null;
    if (!response.headers.get("Content-Type")?.includes("json")) throw unexpected(response);
    return response.json();
  }

  /** @param {string} path @param {object} data @param {string} [key] @returns {Promise<Asked>} */
  async #start(path, data, key = newKey()) {
    for (let tries = 1; ; tries++) {
      try {
        return await this.request("POST", path, data, { "Idempotency-Key": key });
      } catch (error) {
        // The key makes it safe: whether the first request arrived does not matter. A limit is for the person to see.
        const passes = error instanceof Refused ? error.status >= 500 : error instanceof TypeError;
        if (!passes || tries === TRIES) throw error;
        const wait = error instanceof Refused ? Math.min(error.retryAfter, 5) * 1000 : 0;
        await new Promise((resolve) => setTimeout(resolve, wait + Math.random() * PAUSE * 2 ** tries));
      }
    }
  }
}

/** Return a key that nobody has used. randomUUID is there over HTTPS only. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return Django's token, which a script can read unless CSRF_COOKIE_HTTPONLY or CSRF_USE_SESSIONS is set. */
export function csrfCookie() {
  return /(?:^|; )csrftoken=([^;]*)/.exec(globalThis.document?.cookie ?? "")?.[1] ?? "";
}
