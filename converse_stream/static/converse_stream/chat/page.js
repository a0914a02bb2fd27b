// What the server has put on the page: the frame, the messages, the words.

import { learn } from "./words.js";

/** @typedef {import("./thread.js").Message} Message */

/** Return the shadow tree of a chat: the browser has made it, or, where the page was put together by a script, it is made here. @param {HTMLElement} host */
export function shadowOf(host) {
  if (host.shadowRoot) return host.shadowRoot;
  const template = host.querySelector("template");
  if (!template) return null;
  const shadow = host.attachShadow({ mode: "open" });
  shadow.append(template.content);
  template.remove();
  return shadow;
}

/** Learn the words, and return the messages of other branches, without their text. @param {HTMLElement} host @returns {Message[]} */
export function givenBeside(host) {
  const script = host.querySelector('script[type="application/json"]');
  const given = JSON.parse(script?.textContent || "{}");
  learn(given.words ?? {});
  return (given.others ?? []).map((/** @type {[string, string | null, number, string, string]} */ [id, parent, number, role, status]) => ({ id, parent, number, role, status, parts: null }));
}

/** Return the message that an article of the server's shows. Its text is read from the page when it is needed. @param {HTMLElement} article @returns {Message} */
export function givenMessage(article) {
  const { message = "", parent, number, status = "", error, retryable, reason, tokens, duration, cost } = article.dataset;
  return {
    id: message,
    parent: parent || null,
    number: Number(number),
    role: article.classList.contains("user") ? "user" : article.classList.contains("assistant") ? "assistant" : "tool",
    status,
    parts: null,
    error: error ? { code: "", message: error, retryable: retryable === "true" } : null,
    finish_reason: reason || null,
    output_tokens: tokens ? Number(tokens) : null,
    duration: duration ? Number(duration) : null,
    cost: cost || null,
  };
}

/** Give a conversation that has just begun its address. @param {string | undefined} pattern an address with {id} in it @param {string} id */
export function readdress(pattern, id) {
  if (pattern) history.replaceState(null, "", pattern.replace("{id}", id));
}
