// Markdown that grows: closed blocks are built once and left alone, only the open end is parsed again.
// A long list, table or fence is one block to a parser; here its items, rows and lines are closed one by one.

import { highlight } from "./highlight.js";
import { completed, lex } from "./lexing.js";
import { merge } from "./merge.js";
import { addCode, addText, codeBlock, listItems, nodesOf, tableRows } from "./nodes.js";

/** @typedef {any} Token */
/** @typedef {{ code: Element, closing: RegExp, indent: RegExp }} Fence */
/** @typedef {{ target: Element | null, pieces: Node[], nodes: Node[] }} Shown */

const STEP = 512; // characters between two looks at the clock
/** Longest open end in characters. What is longer is closed where it is: no single parse may be felt. */
const LONGEST = 4_096;
const LONGEST_NESTED = 12_288;
const NESTED = new Set(["list", "blockquote"]);
const FENCE = /^( {0,3})(`{3,}|~{3,})([^\n]*)\n/;

export class MarkdownStream {
  #waiting = "";
  /** The source of the block that may still grow. */
  #tail = "";
  /** What is shown of it: pieces of a list or table that was there, and blocks. @type {Shown} */
  #shown = { target: null, pieces: [], nodes: [] };
  /** A list or table whose first items are closed: what follows goes into it. @type {{ type: string, ordered?: boolean, target: Element, head: string } | null} */
  #open = null;
  /** @type {Fence | null} */
  #fence = null;
  #isShownLate = false;
  /** Addresses that links are given by name, and the closed blocks that may use them. @type {string} */
  #definitions = "";
  /** @type {{ raw: string, nodes: Node[] }[]} */
  #referring = [];

  /** @param {Element} target gets the nodes */
  constructor(target) {
    this.target = target;
  }

  /** Whether there is text that is not shown yet. */
  get isBehind() {
    return this.#waiting !== "" || this.#isShownLate;
  }

  /** Add text. It is shown by the next `step`. @param {string} text */
  append(text) {
    this.#waiting += text;
  }

  /** Work until `deadline`, in milliseconds of performance.now(). Return whether everything is shown. @param {number} deadline */
  step(deadline) {
    while (this.#waiting) {
      let cut = Math.min(STEP, this.#waiting.length);
      if (/[\uD800-\uDBFF\r]/.test(this.#waiting[cut - 1] ?? "")) cut += 1; // pairs stay together
      const piece = this.#waiting.slice(0, cut).replace(/\r\n?/g, "\n");
      this.#waiting = this.#waiting.slice(cut);
      this.#tail += piece;
      this.#isShownLate = true;
      this.#close();
      if (performance.now() >= deadline) break;
    }
    if (this.#isShownLate) this.#show();
    return !this.#waiting;
  }

  /** Show everything, as it is: no more will come. */
  finish() {
    this.step(Infinity);
    this.end();
  }

  /** No more will come, and all of it is shown: half-open markup is text now. */
  end() {
    if (this.#fence) this.#takeFence(true);
    this.#place(lex(this.#source));
    this.#tail = "";
    this.#open = this.#fence = null;
    this.#resolve();
  }

  get #source() {
    return (this.#open?.head ?? "") + this.#tail;
  }

  /** Close what can be closed of the tail. @returns {void} */
  #close() {
    if (this.#fence && !this.#takeFence(false)) return;
    const tokens = lex(this.#source);
    const last = tokens.findLastIndex((token) => token.type !== "space");
    if (last < 0) return;
    const rest = tokens.slice(last).map((token) => token.raw).join("");
    if (!this.#source.endsWith(rest)) return; // the lexer has changed what it read, so no place in it is known
    // A line that is not whole yet may turn out to belong to what is above it.
    if (last > 0 && rest.includes("\n")) {
      this.#place(tokens.slice(0, last));
      this.#tail = rest;
      return this.#close();
    }
    if (last === 0) this.#closeWithin(tokens[0], rest);
  }

  /** The tail is one block. Close its beginning if it is of a kind that goes on piece by piece, or too long. @param {Token} token @param {string} rest */
  #closeWithin(token, rest) {
    const fence = token.type === "code" ? FENCE.exec(rest) : null;
    if (fence) {
      this.#openFence(fence, rest);
    } else if (token.type === "list" && token.items.length > 4 && token.items.at(-1).raw.includes("\n")) {
      const items = token.items.splice(-1);
      const target = this.#place([token]) ?? this.#lastElement;
      this.#open = { type: "list", ordered: token.ordered, target, head: "" };
      this.#tail = rest.slice(rest.lastIndexOf(items[0].raw));
    } else if (token.type === "table" && token.rows.length > 8 && rest.endsWith("\n")) {
      const lines = this.#source.split("\n");
      const target = this.#place([token]) ?? this.#body(this.#lastElement);
      this.#open = { type: "table", target, head: `${lines[0]}\n${lines[1]}\n` };
      this.#tail = "";
    } else if (this.#tail.length > (NESTED.has(token.type) ? LONGEST_NESTED : LONGEST)) {
      const cut = this.#breakOf(this.#tail);
      const source = (this.#open?.head ?? "") + this.#tail.slice(0, cut);
      this.#tail = this.#tail.slice(cut);
      this.#place(lex(source));
    }
  }

  get #lastElement() {
    return /** @type {Element} */ (this.target.lastElementChild);
  }

  /** @param {Element} frame */
  #body(frame) {
    return /** @type {Element} */ (frame.querySelector("tbody"));
  }

  /** Return where a long block is cut: behind a line, or else a word. @param {string} text */
  #breakOf(text) {
    const line = text.lastIndexOf("\n", LONGEST) + 1;
    if (line > LONGEST / 2) return line;
    const word = text.lastIndexOf(" ", LONGEST) + 1;
    return word > LONGEST / 2 ? word : LONGEST + (/[\uDC00-\uDFFF]/.test(text[LONGEST] ?? "") ? 1 : 0);
  }

  /** @param {RegExpExecArray} fence @param {string} rest */
  #openFence([opening, indent, marks, info], rest) {
    const { figure, code } = codeBlock(info.trim(), "");
    this.#clear();
    this.target.append(figure);
    this.#open = null;
    this.#fence = { code, closing: new RegExp(`^ {0,3}\\${marks[0]}{${marks.length},}[ \\t]*$`), indent: new RegExp(`^ {0,${indent.length}}`) };
    this.#tail = rest.slice(opening.length);
    if (this.#takeFence(false)) this.#close();
  }

  /** Move whole lines of the tail into the open code. Return whether the fence is closed. @param {boolean} isOver */
  #takeFence(isOver) {
    const { code, closing, indent } = /** @type {Fence} */ (this.#fence);
    const lines = this.#tail.split("\n");
    const last = lines.pop() ?? "";
    const end = lines.findIndex((line) => closing.test(line));
    const taken = (end < 0 ? lines : lines.slice(0, end)).map((line) => `${line.replace(indent, "")}\n`).join("");
    if (taken) this.#addCode(code, taken);
    this.#tail = end < 0 ? last : [...lines.slice(end + 1), last].join("\n");
    if (end < 0 && isOver) {
      if (this.#tail && !closing.test(this.#tail)) this.#addCode(code, this.#tail.replace(indent, ""));
      this.#tail = "";
    } else if (end < 0 && this.#tail.length > LONGEST) {
      this.#addCode(code, this.#tail); // a line without an end
      this.#tail = "";
    }
    if (end >= 0 || isOver) {
      this.#fence = null;
      highlight(code);
    }
    return end >= 0;
  }

  /** @param {Element} code @param {string} text */
  #addCode(code, text) {
    if (/[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/.test(text)) addCode(code, text);
    else addText(code, text);
  }

  /** Show tokens for good. Return the list or table that the first went on with. @param {Token[]} tokens */
  #place(tokens) {
    this.#clear();
    const target = tokens.length ? this.#continued(tokens[0]) : null;
    if (target) target.append(...closed(this.#pieces(tokens[0])));
    for (const token of target ? tokens.slice(1) : tokens) {
      const nodes = closed(nodesOf([token]));
      this.target.append(...nodes);
      if (token.type === "def") this.#definitions += `\n\n${token.raw.trim()}\n`;
      if (token.type === "paragraph" && token.raw.includes("[")) this.#referring.push({ raw: token.raw, nodes });
    }
    this.#open = null;
    return target;
  }

  /** Return what a token goes into because it goes on with it. @param {Token} token */
  #continued(token) {
    const goesOn = this.#open?.type === token.type && (token.type !== "list" || this.#open?.ordered === token.ordered);
    return (goesOn && this.#open?.target) || null;
  }

  /** @param {Token} token */
  #pieces(token) {
    return token.type === "list" ? listItems(token) : tableRows(token);
  }

  /** Show the tail, which will change. What stays as it was keeps its nodes: a selection, a scroll position. */
  #show() {
    this.#isShownLate = false;
    if (this.#fence) return;
    const tokens = lex((this.#open?.head ?? "") + completed(this.#tail));
    const target = tokens.length ? this.#continued(tokens[0]) : null;
    if (this.#shown.target !== target) this.#clear();
    const pieces = target ? merge(target, this.#shown.pieces, this.#pieces(tokens[0])) : [];
    const nodes = merge(this.target, this.#shown.nodes, nodesOf(target ? tokens.slice(1) : tokens));
    this.#shown = { target, pieces, nodes };
  }

  #clear() {
    for (const node of [...this.#shown.pieces, ...this.#shown.nodes]) /** @type {ChildNode} */ (node).remove();
    this.#shown = { target: null, pieces: [], nodes: [] };
  }

  /** Build the closed blocks anew that link by a name which was explained only later. */
  #resolve() {
    if (this.#definitions) {
      for (const { raw, nodes } of this.#referring) {
        const [first, ...rest] = /** @type {ChildNode[]} */ (nodes);
        first?.replaceWith(...nodesOf(lex(raw + this.#definitions)));
        for (const node of rest) node.remove();
      }
    }
    this.#referring = [];
  }
}

/** Return nodes that change no more: their code is coloured. @param {Node[]} nodes */
function closed(nodes) {
  for (const node of nodes) {
    if (node instanceof Element) node.querySelectorAll("code[data-language]").forEach(highlight);
  }
  return nodes;
}
