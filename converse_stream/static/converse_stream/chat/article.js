// One message on the page: its sections, how it ended, and what can be done with it.

import { element } from "../markdown/nodes.js";
import { icon } from "./icons.js";
import { Section } from "./sections.js";
import { isLive, textOf } from "./thread.js";
import { t } from "./words.js";

/** @typedef {import("./thread.js").Message} Message */
/** @typedef {{ place: number, count: number }} Versions */

/** @returns {Record<string, string>} */
const notes = () => ({
  cancelled: t("Stopped."),
  length: t("The answer reached its length limit."),
  content_filter: t("A content filter withheld the rest."),
});

export class Article {
  /** @type {Section[]} */
  #sections = [];
  #isEnded = false;
  #isReset = false;
  /** Where an answer from the server's page is built before it takes its place. @type {HTMLElement | null} */
  #aside = null;
  /** @type {Versions} */
  versions = { place: 1, count: 1 };
  hasButtons = false;

  /** @param {Message} message @param {{ isStaff: boolean }} site @param {HTMLElement} [given] the article, if the server has written it */
  constructor(message, site, given) {
    this.message = message;
    this.site = site;
    this.isGiven = Boolean(given);
    const label = message.role === "user" ? t("You") : message.role === "assistant" ? t("Answer") : t("Tool");
    this.element =
      given ?? element("article", { class: `message ${message.role}`, part: `message ${message.role}`, "aria-label": label, "data-message": message.id });
    this.body = /** @type {HTMLElement} */ (this.element.querySelector(".body")) ?? element("div", { class: "body", part: "body" });
    this.foot = element("div", { class: "under" });
    if (!given) this.element.append(this.body);
    this.element.append(this.foot);
    if (!given) this.#mark();
  }

  /** Show what was written on the server's page as Markdown, once somebody is near it. */
  adopt() {
    if (!this.isGiven) return;
    this.isGiven = false;
    this.element.querySelector(":scope > .note")?.remove();
    this.message.parts ??= [...this.body.children].map(partOf);
    if (this.message.role === "assistant" && !isLive(this.message)) this.#aside = element("div", { class: "body", part: "body" });
    else if (this.message.role === "assistant") this.reset();
    else this.#isEnded = true; // a question is shown as it was written
  }

  /** Begin anew with the next step: everything follows. */
  reset() {
    this.isGiven = false;
    this.element.querySelector(":scope > .note")?.remove();
    this.#isReset = true;
    this.#isEnded = false;
  }

  /** Show what has come until `deadline`. Return whether everything is shown. @param {number} deadline */
  step(deadline) {
    if (this.isGiven) return true;
    const target = this.#aside ?? this.body;
    if (this.#isReset) {
      this.#isReset = false;
      this.#sections = [];
      target.replaceChildren();
    }
    this.#mark();
    if (this.#isEnded) return true;
    const parts = this.message.parts ?? [];
    for (const [index, part] of parts.entries()) {
      const section = (this.#sections[index] ??= this.#section(part, target));
      section.part = part;
      if (!section.step(deadline)) return false;
    }
    if (!isLive(this.message)) this.#end();
    return true;
  }

  /** @param {import("./thread.js").Part} part @param {HTMLElement} target */
  #section(part, target) {
    const section = new Section(part, this.message.role === "assistant");
    target.append(section.element);
    return section;
  }

  #end() {
    for (const section of this.#sections) section.end();
    this.#isEnded = true;
    if (this.#aside) {
      this.body.replaceChildren(...this.#aside.childNodes);
      this.#aside = null;
    }
  }

  /** Show how the message is: growing or ended, and how. */
  #mark() {
    const { status } = this.message;
    if (this.element.dataset.status === status && this.hasButtons) return;
    this.element.dataset.status = status;
    this.element.toggleAttribute("data-empty", isLive(this.message));
    if (isLive(this.message)) this.element.setAttribute("aria-busy", "true");
    else this.element.removeAttribute("aria-busy");
    this.showFoot();
  }

  /** Show what is below a message. Its buttons come when somebody is near it. */
  showFoot() {
    const { error, status, finish_reason } = this.message;
    const note = error?.message ?? notes()[status] ?? notes()[finish_reason ?? ""];
    this.hasButtons = true;
    this.foot.replaceChildren();
    if (note) this.foot.append(element("p", { class: error ? "note error" : "note", part: error ? "note error" : "note" }, note));
    const bar = element("div", { class: "actions", part: "actions", role: "group", "aria-label": t("Message actions") });
    if (!isLive(this.message)) bar.append(...this.#versionButtons(), ...this.#buttons());
    const figures = this.site.isStaff ? figuresOf(this.message) : "";
    if (figures) bar.append(element("span", { class: "figures", part: "figures", dir: "auto" }, figures));
    this.foot.append(bar);
  }

  *#buttons() {
    const { role, status, error, parent } = this.message;
    if (textOf(this.message) || this.message.parts === null) yield button("copy", t("Copy"), "copy");
    if (role === "user") yield button("edit", t("Edit"), "edit");
    if (role !== "assistant" || !parent) return;
    if (status === "complete") yield button("regenerate", t("Answer anew"), "again");
    else if (error?.retryable !== false) yield button("retry", t("Try again"), "again", true);
  }

  *#versionButtons() {
    const { place, count } = this.versions;
    if (count < 2) return;
    const [previous, next] = [button("previous", t("Previous version"), "previous"), button("next", t("Next version"), "next")];
    previous.disabled = place <= 1;
    next.disabled = place >= count;
    const label = t("Version {place} of {count}", { place, count });
    yield element("span", { class: "versions", role: "group", "aria-label": label }, previous, element("span", { "aria-hidden": "true" }, `${place}/${count}`), next);
  }
}

/** @param {string} action @param {string} label @param {string} sign */
export function button(action, label, sign, isWordy = false) {
  const made = element("button", { type: "button", class: isWordy ? "action wordy" : "action", part: "action", "data-action": action }, icon(sign));
  if (isWordy) made.append(label);
  else for (const name of ["aria-label", "title"]) made.setAttribute(name, label);
  return made;
}

/** Return what the server has written of a part. @param {Element} section */
function partOf(section) {
  const kind = /** @type {HTMLElement} */ (section).dataset.kind ?? "text";
  const text = (section.matches(".text") ? section : section.querySelector(".text"))?.textContent ?? "";
  if (kind === "text" || kind === "reasoning") return { type: kind, text };
  const summary = section.querySelector("summary")?.textContent ?? "";
  return { type: kind, summary, value: parsed(text), arguments: parsed(text), result: parsed(text) };
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Return tokens, seconds, tokens per second and cost, as far as they are known. @param {Message} message */
function figuresOf({ output_tokens: tokens, duration, cost }) {
  const number = (/** @type {number} */ value, digits = 0) => value.toLocaleString(undefined, { maximumFractionDigits: digits });
  const figures = [];
  if (tokens) figures.push(t("{count} tokens", { count: number(tokens) }));
  if (duration) figures.push(t("{count} s", { count: number(duration, 1) }));
  if (tokens && duration) figures.push(t("{count} tokens/s", { count: number(tokens / duration, 1) }));
  if (cost) figures.push(`$${number(Number(cost), 6)}`);
  return figures.join(" · ");
}
