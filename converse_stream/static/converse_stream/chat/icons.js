// The signs on buttons, drawn here: no font, no sprite, no request.

const NAMESPACE = "http://www.w3.org/2000/svg";
/** @type {Record<string, string>} Outlines on a grid of 24 by 24. */
const PATHS = {
  copy: "M10.5 8.5h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2zM15.5 8.5v-3a2 2 0 0 0-2-2h-8a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h3",
  done: "M4.5 12.5l5 5 10-11",
  edit: "M4 20l1-4.5L16.5 4a2.1 2.1 0 0 1 3 0l.5.5a2.1 2.1 0 0 1 0 3L8.5 19 4 20zM14 6.5l3.5 3.5",
  again: "M20 11a8 8 0 1 0-2.3 6.6M20 4.5V11h-6.5",
  previous: "M14.5 6l-6 6 6 6",
  next: "M9.5 6l6 6-6 6",
};

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  for (const [key, value] of [["viewBox", "0 0 24 24"], ["aria-hidden", "true"], ["class", `icon ${name}`]]) svg.setAttribute(key, value);
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
