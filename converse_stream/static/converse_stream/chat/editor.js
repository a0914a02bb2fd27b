// A question in other words: a box in its place until it is asked, or left as it was.

import { element } from "../markdown/nodes.js";
import { isComposing } from "./composer.js";
import { t } from "./words.js";

/**
 * Show the box in place of a message's body. `save` throws what the server refuses; then the box stays.
 * @param {import("./article.js").Article} article @param {string} text @param {(text: string) => Promise<void>} save
 */
export function edit(article, text, save) {
  const box = element("textarea", { rows: "3", dir: "auto", "aria-label": t("The question in other words") });
  box.value = text;
  const ask = element("button", { type: "submit", class: "primary", part: "button" }, t("Ask again"));
  const leave = element("button", { type: "button", class: "quiet", part: "button" }, t("Cancel"));
  const form = element("form", { class: "editor", part: "editor" }, box, element("div", { class: "choices" }, leave, ask));
  const close = () => {
    form.remove();
    article.body.hidden = article.foot.hidden = false;
  };
  const submit = async () => {
    if (!box.value.trim() || ask.disabled) return;
    ask.disabled = true;
    try {
      await save(box.value);
      close();
    } catch {
      ask.disabled = false; // the page says why
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  leave.addEventListener("click", () => {
    close();
    focusEdit(article);
  });
  box.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      leave.click();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    }
  });
  article.body.hidden = article.foot.hidden = true;
  article.body.before(form);
  box.focus();
}

/** @param {import("./article.js").Article} article */
function focusEdit(article) {
  /** @type {HTMLElement | null} */ (article.foot.querySelector('[data-action="edit"]'))?.focus();
}
