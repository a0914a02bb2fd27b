// What the component says, in the page's language: English here, translated by the server, which knows the reader's.

/** @type {Map<string, string>} */
const translated = new Map();

/** @param {Record<string, string>} words */
export function learn(words) {
  for (const [english, own] of Object.entries(words)) translated.set(english, String(own));
}

/** Return a text in the reader's language; `{name}` in it stands for a value. @param {string} english @param {Record<string, string | number>} [values] */
export function t(english, values = {}) {
  const text = translated.get(english) ?? english;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
