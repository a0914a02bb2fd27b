// Colours for closed blocks of code: the library and a language are loaded when such a block first comes into view.
// The library's markup is never used: it tells our `Spans` what it reads, and they make elements.

import { addCode, element } from "./nodes.js";

/** Longest code that is coloured, in characters: none may be felt. */
const LONGEST = 10_000;
/** The languages that are here, and their other names. */
const LANGUAGES = new Map(
  Object.entries({
    bash: "sh shell zsh console", c: "h", cpp: "c++ cc hpp", csharp: "c# cs", css: "", diff: "patch", go: "golang", java: "",
    javascript: "js jsx mjs", json: "jsonc", php: "", python: "py python3", ruby: "rb", rust: "rs", sql: "postgresql sqlite",
    typescript: "ts tsx", xml: "html svg django jinja", yaml: "yml",
  }).flatMap(([name, others]) => [name, ...others.split(" ")].map((other) => [other, name])),
);
/** What is written inside of other languages. */
const WITHIN = new Map([["xml", ["css", "javascript"]]]);

/** @type {Promise<any> | null} */
let library = null;
/** @type {IntersectionObserver | null} */
let watch = null;

/** Colour a closed block of code once somebody sees it. @param {Element} code */
export function highlight(code) {
  if (!languageOf(code) || typeof IntersectionObserver === "undefined") return;
  watch ??= new IntersectionObserver((entries, observer) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      void colour(target);
    }
  });
  watch.observe(code);
}

/** @param {Element} code */
function languageOf(code) {
  return LANGUAGES.get(code.getAttribute("data-language") ?? "");
}

/** @param {Element} code */
async function colour(code) {
  const text = code.textContent ?? "";
  const language = /** @type {string} */ (languageOf(code));
  if (text.length > LONGEST) return;
  try {
    library ??= core();
    const all = await library;
    await Promise.all([language, ...(WITHIN.get(language) ?? [])].map((name) => learn(all, name)));
    const read = all.highlight(text, { language, ignoreIllegals: true });
    if (!read.errorRaised && code.textContent === text) code.replaceChildren(read._emitter.root);
  } catch {
    library = null; // it could not be loaded; the code stays as it is, and the next one tries again
  }
}

async function core() {
  const { default: made } = await import("../vendor/highlight/core.min.js");
  made.configure({ __emitter: Spans });
  return made;
}

/** @param {any} all @param {string} name */
async function learn(all, name) {
  if (all.getLanguage(name)) return;
  const { default: grammar } = await import(`../vendor/highlight/${name}.min.js`);
  all.registerLanguage(name, grammar);
}

/** What the library calls an emitter. */
class Spans {
  root = document.createDocumentFragment();
  /** @type {(DocumentFragment | Element)[]} */
  #open = [this.root];

  get #top() {
    return /** @type {Element} */ (this.#open.at(-1));
  }

  /** @param {string} text */
  addText(text) {
    addCode(this.#top, text);
  }

  /** @param {string} scope of the library's own, such as "title.class" */
  openNode(scope) {
    const span = element("span", { class: `hl-${scope.split(".")[0]}` });
    this.#top.append(span);
    this.#open.push(span);
  }

  closeNode() {
    if (this.#open.length > 1) this.#open.pop();
  }

  /** @param {string} scope */
  startScope(scope) {
    this.openNode(scope);
  }

  endScope() {
    this.closeNode();
  }

  /** @param {Spans} inner */
  __addSublanguage(inner) {
    this.#top.append(inner.root);
  }

  closeAllNodes() {
    this.#open.length = 1;
  }

  finalize() {}

  toHTML() {
    return "";
  }
}
