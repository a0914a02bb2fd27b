// What makes the pages nicer where scripts run; they work without: Enter sends, and a form is sent once.

/** @type {NodeListOf<HTMLFormElement>} */
const forms = document.querySelectorAll("form[data-converse-once]");
for (const form of forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}

/** @type {NodeListOf<HTMLTextAreaElement>} */
const boxes = document.querySelectorAll("textarea[data-converse-enter]");
for (const box of boxes) {
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work: Enter is its own
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    if (box.value.trim()) box.form?.requestSubmit();
  });
}

// A page that the browser kept, and shows again, may send once more.
addEventListener("pageshow", () => {
  for (const form of forms) delete form.dataset.sent;
});

// Another tab, or the site, has given the conversation a title.
document.addEventListener("converse-title", (event) => {
  const { title } = /** @type {CustomEvent<{ title: string }>} */ (event).detail;
  const heading = document.querySelector(".converse-top h1 bdi");
  if (heading && title) document.title = heading.textContent = title;
});
