// marked's lexer, guarded: what nests without end or is all markup is shown as the text it is, in linear time.

import { Lexer } from "../vendor/marked/marked.esm.js";

/** @typedef {any} Token */

const DEEPEST = 30;
const NESTING = new RegExp(`^(?:[ \\t]{0,8}(?:>|[-+*][ \\t]|\\d{1,9}[.)][ \\t])){${DEEPEST}}`, "m");
const MARKUP = /[[\]*_<>`!~(&\\]/g;
const SAMPLE = 300;
const MOST = 0.25;

/** Return the block tokens of a text; one paragraph of plain text for what a parser should not see. @param {string} text @returns {Token[]} */
export function lex(text) {
  if (!text.trim()) return text ? [{ type: "space", raw: text }] : [];
  if (isTangled(text)) return [plain(text)];
  try {
    return new Lexer({ gfm: true }).lex(text);
  } catch {
    return [plain(text)]; // its recursion has a limit that no guard knows exactly
  }
}

/** Whether a text nests too deep, or is markup rather than text: the lexer takes quadratic time for that. @param {string} text */
function isTangled(text) {
  if (NESTING.test(text)) return true;
  if (text.length < SAMPLE) return false;
  // Rules and tables' lines are markup, too, but of few kinds and cheap.
  const marks = text.replace(/^[ \t|:=*_~`+-]{1,200}$/gm, "").match(MARKUP)?.length ?? 0;
  return marks > text.length * MOST || /[[*_<`]{200}/.test(text);
}

/** @param {string} text @returns {Token} */
export function plain(text) {
  return { type: "paragraph", raw: text, text, tokens: [{ type: "escape", raw: text, text }] };
}

const HALF_LINK = /!?\[([^\][\n]{0,300})\]\([^()\s]{0,2000}$/;

/** Return the open end of an answer as it will probably read: half a link as its words, emphasis closed. @param {string} text */
export function completed(text) {
  const begin = Math.max(text.lastIndexOf("\n\n"), 0);
  let end = text.slice(begin);
  if (end.length > 4_000 || /^\s*(?:```|~~~)/m.test(end)) return text;
  end = end.replace(HALF_LINK, "$1").replace(/!?\[[^\][\n]{0,300}$/, (half) => half.replace(/^!?\[/, ""));
  if ((end.match(/`+/g)?.length ?? 0) % 2) return text.slice(0, begin) + end + "`";
  for (const mark of ["**", "*", "__", "_", "~~"]) {
    const open = end.lastIndexOf(mark);
    const isFlanking = open >= 0 && /\S/.test(end[open + mark.length] ?? "") && !/\w/.test(mark[0] === "_" ? (end[open - 1] ?? "") : "");
    if (isFlanking && end.split(mark).length % 2 === 0) return text.slice(0, begin) + end.trimEnd() + mark;
    if (open >= 0 && open === end.length - mark.length && end.split(mark).length % 2 === 0) return text.slice(0, begin) + end.slice(0, open);
    if (mark.length === 2) end = end.replaceAll(mark, "  ");
  }
  return text.slice(0, begin) + text.slice(begin).replace(HALF_LINK, "$1").replace(/!?\[[^\][\n]{0,300}$/, (half) => half.replace(/^!?\[/, ""));
}
