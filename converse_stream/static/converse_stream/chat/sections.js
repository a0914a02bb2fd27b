// What a message consists of, as nodes: text, thinking that is folded, calls of tools, values.

import { addText, element } from "../markdown/nodes.js";
import { MarkdownStream } from "../markdown/stream.js";
import { t } from "./words.js";

/** @typedef {import("./thread.js").Part} Part */

/** @type {Record<string, (part: Part) => string>} */
const SUMMARIES = {
  reasoning: () => t("Thinking"),
  tool_call: (part) => t("Tool call: {name}", { name: part.name ?? "" }),
  tool_result: (part) => t(part.is_error ? "Tool failed: {name}" : "Tool result: {name}", { name: part.name ?? "" }),
  data: (part) => t("Data: {name}", { name: part.name ?? "" }),
  file: (part) => t("File: {name}", { name: part.name ?? "" }),
};
/** @type {Record<string, string>} */
const VALUES = { tool_call: "arguments", tool_result: "result", data: "value" };
const LONGEST_VALUE = 20_000;

export class Section {
  /** How much of the part's text was given to show. */
  #given = 0;
  /** @type {MarkdownStream | null} */
  #markdown = null;

  /** @param {Part} part @param {boolean} isMarkdown */
  constructor(part, isMarkdown) {
    this.part = part;
    const kind = part.type in SUMMARIES || part.type === "text" ? part.type : "data";
    this.text = element("div", { class: "text", part: "text" });
    /** @type {HTMLElement} */
    this.element = this.text;
    if (kind === "text") {
      if (isMarkdown) this.#markdown = new MarkdownStream(this.text);
      this.text.classList.add(isMarkdown ? "markdown" : "plain");
      // Blocks of Markdown have directions of their own; finding one for all of them would look at all with every word.
      if (!isMarkdown) this.text.dir = "auto";
    } else {
      this.text.dir = "auto";
      this.text.classList.add("plain");
      if (kind !== "reasoning") this.text.classList.add("value");
      this.text.tabIndex = 0;
      this.element = element("details", { part: kind }, element("summary", {}, part.summary ?? SUMMARIES[kind](part)), this.text);
    }
    this.element.dataset.kind = kind;
    if (kind !== "text" && kind !== "reasoning") {
      const value = JSON.stringify(part[VALUES[part.type] ?? "value"] ?? part.raw ?? null, null, 2);
      addText(this.text, value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value);
    }
  }

  /** Show more of the part until `deadline`. Return whether all of it is shown. @param {number} deadline */
  step(deadline) {
    const text = this.part.text ?? "";
    if (this.#markdown) {
      this.#markdown.append(text.slice(this.#given));
      this.#given = text.length;
      return this.#markdown.isBehind ? this.#markdown.step(deadline) : true;
    }
    if (this.#given < text.length) addText(this.text, text.slice(this.#given));
    this.#given = text.length;
    return true;
  }

  /** Nothing more will come. */
  end() {
    this.#markdown?.end();
    this.#markdown = null;
  }
}
