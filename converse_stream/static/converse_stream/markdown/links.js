// Where a link of a model may lead, and what the few HTML entities that models write stand for.

const SCHEMES = new Set(["http:", "https:", "mailto:"]);
const NAMED = new Map(
  Object.entries({
    amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00A0", copy: "©", reg: "®", trade: "™", hellip: "…",
    mdash: "—", ndash: "–", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", bull: "•",
    middot: "·", times: "×", divide: "÷", plusmn: "±", deg: "°", micro: "µ", para: "¶", sect: "§", euro: "€",
    pound: "£", yen: "¥", cent: "¢", larr: "←", uarr: "↑", rarr: "→", darr: "↓", harr: "↔", rArr: "⇒", hArr: "⇔",
    le: "≤", ge: "≥", ne: "≠", asymp: "≈", infin: "∞", frac12: "½", frac14: "¼", frac34: "¾", sup2: "²", sup3: "³",
  }),
);
const ENTITY = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z][a-zA-Z0-9]{1,7}));/g;

/** Return the address that may be linked to, or "" for one that may not. @param {string} address @param {string} [base] */
export function safeAddress(address, base = globalThis.document?.baseURI) {
  try {
    const url = new URL(decodeEntities(address), base);
    return SCHEMES.has(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

/** @param {string} text */
export function decodeEntities(text) {
  if (!text.includes("&")) return text;
  return text.replace(ENTITY, (whole, decimal, hexadecimal, name) => {
    if (name) return NAMED.get(name) ?? whole;
    const point = decimal ? Number(decimal) : parseInt(hexadecimal, 16);
    const isCharacter = point > 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return isCharacter ? String.fromCodePoint(point) : "\uFFFD";
  });
}
