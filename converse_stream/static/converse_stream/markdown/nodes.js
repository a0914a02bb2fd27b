// DOM nodes from the lexer's tokens. Nothing here takes markup: what a model wrote becomes text, in elements of our choice.

import { t } from "../chat/words.js";
import { decodeEntities, safeAddress } from "./links.js";

/** @typedef {any} Token one of marked's */

const DEEPEST = 40;
/** Characters that change the direction of what follows; in code they can make it look like other code. */
const TURNS = /([\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069])/;
const ALIGNMENTS = new Set(["left", "center", "right"]);

/**
 * Create an element. Attribute names are ours, never a model's.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return the nodes of block tokens. @param {Token[]} tokens @returns {Node[]} */
export function nodesOf(tokens, depth = 0) {
  return tokens.flatMap((token) => block(token, depth));
}

/** @param {Token} token @param {number} depth @returns {Node[]} */
function block(token, depth) {
  if (depth > DEEPEST) return [element("p", {}, token.raw)];
  switch (token.type) {
    case "space":
    case "def":
      return [];
    case "heading": {
      // One level for all: a model skips levels as it likes, and that would break the outline of the page around it.
      return [element("div", { class: `h h${token.depth}`, role: "heading", "aria-level": "2", dir: "auto" }, ...inline(token.tokens, depth))];
    }
    case "paragraph":
      return [element("p", { dir: "auto" }, ...inline(token.tokens, depth))];
    case "text":
      return token.tokens ? inline(token.tokens, depth) : [decodeEntities(token.text)].map(textNode);
    case "code":
      return [codeBlock(token.lang ?? "", token.text).figure];
    case "blockquote":
      return [element("blockquote", { dir: "auto" }, ...nodesOf(token.tokens, depth + 1))];
    case "list": {
      const list = listElement(token);
      list.append(...listItems(token, depth));
      return [list];
    }
    case "table":
      return [table(token, depth).frame];
    case "hr":
      return [element("hr")];
    case "checkbox":
      return [checkbox(token.checked)];
    default:
      return [element("p", { dir: "auto", class: "raw" }, token.raw)];
  }
}

/** @param {Token} token */
export function listElement(token) {
  const list = element(token.ordered ? "ol" : "ul", { dir: "auto" });
  if (token.ordered && Number.isInteger(token.start) && token.start !== 1) list.setAttribute("start", String(token.start));
  return list;
}

/** @param {Token} token @returns {Node[]} */
export function listItems(token, depth = 0) {
  return token.items.map((/** @type {Token} */ item) => {
    const made = element("li", item.task ? { class: "task" } : {});
    for (const part of item.tokens) {
      if (part.type === "paragraph" && !token.loose) made.append(...inline(part.tokens, depth));
      else made.append(...block(part, depth + 1));
    }
    return made;
  });
}

/** @param {Token} token */
export function table(token, depth = 0) {
  const head = element("tr", {}, ...token.header.map((/** @type {Token} */ cell) => tableCell("th", cell, depth)));
  const body = element("tbody", {}, ...tableRows(token, depth));
  const label = t("Table");
  const whole = element("table", {}, element("thead", {}, head), body);
  return { frame: element("div", { class: "table", role: "group", tabindex: "0", "aria-label": label }, whole), body };
}

/** @param {Token} token @returns {Node[]} */
export function tableRows(token, depth = 0) {
  return token.rows.map((/** @type {Token[]} */ row) => element("tr", {}, ...row.map((cell) => tableCell("td", cell, depth))));
}

/** @param {"th" | "td"} tag @param {Token} cell @param {number} depth */
function tableCell(tag, cell, depth) {
  const made = element(tag, { dir: "auto" }, ...inline(cell.tokens, depth));
  if (ALIGNMENTS.has(cell.align)) made.classList.add(`align-${cell.align}`);
  return made;
}

/** Return a block of code, and what its text goes into. @param {string} info what is written behind the fence @param {string} text */
export function codeBlock(info, text) {
  const language = (/^[^\s{]{1,24}/.exec(info) ?? [""])[0];
  const code = element("code", language ? { "data-language": language.toLowerCase() } : {});
  const copy = element("button", { type: "button", class: "copy", "data-action": "copy-code" }, t("Copy code"));
  const bar = element("figcaption", {}, element("span", { class: "language" }, language), copy);
  const frame = element("pre", { dir: "ltr", tabindex: "0", role: "group", "aria-label": t("Code") }, code);
  addCode(code, text);
  return { figure: element("figure", { class: "code", part: "code" }, bar, frame), code };
}

/** Add text to code; what would turn its direction is made visible and contained. @param {Element} code @param {string} text */
export function addCode(code, text) {
  for (const [index, piece] of text.split(TURNS).entries()) {
    if (index % 2) {
      const name = `U+${piece.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
      code.append(element("bdi", { class: "turn", "data-name": name }, piece));
    } else if (piece) {
      addText(code, piece);
    }
  }
}

/** Add plain text. Growing a text node copies it, so a long text goes on in a new one. @param {Element} target @param {string} text */
export function addText(target, text) {
  const last = target.lastChild;
  if (last instanceof Text && last.length < 4_096) last.appendData(text);
  else target.append(text);
}

/** @param {Token[] | undefined} tokens @param {number} depth @returns {Node[]} */
function inline(tokens = [], depth = 0) {
  if (depth > DEEPEST) return [textNode(tokens.map((token) => token.raw).join(""))];
  return tokens.map((token) => inlineNode(token, depth + 1));
}

/** @param {Token} token @param {number} depth @returns {Node} */
function inlineNode(token, depth) {
  switch (token.type) {
    case "text":
      return token.tokens ? element("span", {}, ...inline(token.tokens, depth)) : textNode(decodeEntities(token.text));
    case "escape":
      return textNode(token.text);
    case "strong":
    case "em":
    case "del":
      return element(/** @type {"strong" | "em" | "del"} */ (token.type), {}, ...inline(token.tokens, depth));
    case "codespan": {
      const code = element("code", { dir: "ltr" });
      addCode(code, token.text);
      return code;
    }
    case "br":
      return element("br");
    case "link":
      return link(token.href, inline(token.tokens, depth), token.raw);
    case "image": {
      // Loading a picture tells its host who reads what, so it takes a click.
      const label = decodeEntities(token.text) || t("Picture");
      const made = link(token.href, [textNode(label)], token.raw);
      if (made instanceof HTMLAnchorElement) made.className = "picture";
      return made;
    }
    case "checkbox":
      return checkbox(token.checked);
    default:
      return textNode(token.raw);
  }
}

/** @param {string} address @param {Node[]} children @param {string} raw @returns {Node} */
function link(address, children, raw) {
  const href = safeAddress(address);
  if (!href) return textNode(raw);
  const made = element("a", { href, title: href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
  if (!made.textContent?.trim()) made.textContent = href;
  return made;
}

/** @param {boolean} isChecked */
function checkbox(isChecked) {
  return element("span", { class: "check", role: "img", "aria-label": isChecked ? t("Done") : t("Not done") }, isChecked ? "☑ " : "☐ ");
}

/** @param {string} text */
function textNode(text) {
  return document.createTextNode(text);
}
