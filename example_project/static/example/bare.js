// The chat page: ask over REST, then follow the answer's record; the server has rendered what was there before.

import { Client } from "../converse_stream/client.js";

const byId = (id) => document.getElementById(id);
const [chat, pane, messages, composer, question] = ["chat", "scroll", "messages", "composer", "question"].map(byId);
const [send, stop, latest, problem, status] = ["send", "stop", "latest", "problem", "status"].map(byId);
const token = composer.elements.csrfmiddlewaretoken.value;
const { api, pages } = chat.dataset;
const client = new Client({ base: api, csrf: token });

const NOTES = {
  cancelled: "Stopped.",
  length: "The answer reached its length limit.",
  content_filter: "A content filter withheld the rest.",
};
const SAID = { complete: "Answer complete.", failed: "The answer failed.", cancelled: "Answer stopped." };

let sending = false;
let live = null; // the article of the answer that is growing

// Asking and stopping

async function ask() {
  const content = question.value;
  if (sending || !content.trim()) return;
  if (live) return complain(new Error("Wait for the answer, or stop it first."));
  sending = send.disabled = true;
  status.textContent = "Sending…";
  complain(null);
  try {
    chat.dataset.conversation ||= (await client.open()).id;
    const asked = await client.ask(chat.dataset.conversation, content);
    question.value = "";
    enlist(asked.user_message.content);
    write(article(asked.user_message).querySelector(".body"), "text", asked.user_message.content);
    pinned = true;
    show(article(asked.message), 0);
  } catch (error) {
    status.textContent = "";
    complain(error);
  } finally {
    sending = send.disabled = false;
    question.focus();
  }
}

async function halt() {
  stop.disabled = true;
  try {
    await client.cancel(live.dataset.message);
  } catch (error) {
    complain(error);
  } finally {
    stop.disabled = false;
  }
}

/** Give a conversation that has just begun its address and its place in the list. */
function enlist(opening) {
  byId("welcome").hidden = true;
  const address = `${pages}${chat.dataset.conversation}/`;
  if (location.pathname === address) return;
  history.replaceState(null, "", address);
  byId("page").className = "talking";
  document.querySelector("#page nav [aria-current]")?.removeAttribute("aria-current");
  const link = document.createElement("a");
  link.href = address;
  link.textContent = opening.slice(0, 80);
  link.setAttribute("aria-current", "page");
  const item = document.createElement("li");
  item.append(link);
  byId("conversations").prepend(item);
}

function complain(error) {
  problem.hidden = !error;
  problem.textContent = error instanceof TypeError ? "The server could not be reached. Try again in a moment." : (error?.message ?? "");
  if (error?.code !== "busy") return;
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "Show it";
  problem.append(" ", link);
}

// Showing an answer. What anybody wrote is only ever put into text nodes.

async function show(element, after) {
  live = element;
  stop.hidden = !(send.hidden = true);
  status.textContent = "Answering…";
  element.setAttribute("aria-busy", "true");
  keepUp();
  try {
    const following = client.follow(element.dataset.message, { after });
    following.addEventListener("state", tell);
    for await (const event of following) apply(element, event);
  } catch (error) {
    status.textContent = "The answer cannot be followed any more.";
    note(element, error.message, true);
  }
  element.removeAttribute("aria-busy");
  const focused = document.activeElement === stop;
  live = null;
  stop.hidden = !(send.hidden = false);
  if (focused) question.focus();
  complain(null);
  keepUp();
}

const STATES = { live: "Answering…", reconnecting: "Connection lost. Trying again…", offline: "You are offline." };

function tell({ detail }) {
  const text = STATES[detail.state];
  if (text && status.textContent !== text) status.textContent = text;
}

function apply(element, event) {
  const body = element.querySelector(".body");
  if (event.type === "text" || event.type === "reasoning") write(body, event.type, event.text);
  else if (event.type === "tool_call") fold(body, `Tool call: ${event.name}`, event.arguments);
  else if (event.type === "tool_result") fold(body, `Tool result: ${event.name}`, event.result);
  else if (event.type === "data") fold(body, `Data: ${event.name}`, event.value);
  else if (event.type === "reset") body.replaceChildren();
  else if (event.type in SAID) end(element, event);
  keepUp();
}

function end(element, { type, message, error }) {
  status.textContent = SAID[type];
  if (error) note(element, error.message, true);
  else if (NOTES[type] ?? NOTES[message.finish_reason]) note(element, NOTES[type] ?? NOTES[message.finish_reason]);
}

function article({ id, role }) {
  const element = document.createElement("article");
  element.className = `message ${role}`;
  element.dataset.message = id;
  element.setAttribute("aria-label", role === "user" ? "You" : "Answer");
  const body = document.createElement("div");
  body.className = "body";
  element.append(body);
  messages.append(element);
  return element;
}

function write(body, kind, text) {
  if (body.lastElementChild?.dataset.kind !== kind) section(body, kind, kind === "reasoning" ? "Thinking" : "");
  const target = body.lastElementChild.closest(".text") ?? body.lastElementChild.querySelector(".text");
  // Growing a text node copies it, so a long answer goes on in a new one.
  if (target.lastChild?.length < 16_384) target.lastChild.appendData(text);
  else target.append(text);
}

function fold(body, summary, value) {
  section(body, "value", summary).append(JSON.stringify(value ?? null, null, 2));
}

function section(body, kind, summary) {
  const text = document.createElement("div");
  text.className = "text";
  let outer = text;
  if (summary) {
    outer = document.createElement("details");
    outer.append(document.createElement("summary"), text);
    outer.firstChild.textContent = summary;
  }
  outer.dataset.kind = kind;
  body.append(outer);
  return text;
}

function note(element, text, isError = false) {
  const line = document.createElement("p");
  line.className = isError ? "note error" : "note";
  line.textContent = text;
  element.append(line);
}

// Scrolling along, until somebody scrolls up

let pinned = true;
let top = 0;
let frame = 0;

function keepUp() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (pinned) pane.scrollTop = pane.scrollHeight;
    latest.hidden = pinned;
  });
}

pane.addEventListener("scroll", () => {
  const atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40;
  // Text may have come between our own scrolling and this event: only a person scrolls up.
  pinned = atEnd || (pinned && pane.scrollTop >= top);
  top = pane.scrollTop;
  latest.hidden = pinned;
});

latest.addEventListener("click", () => {
  pinned = true;
  keepUp();
  question.focus();
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
question.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229) return; // an input method is at work: Enter is its own
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    ask();
  } else if (event.key === "Escape" && live) halt();
});
stop.addEventListener("click", halt);
for (const button of document.querySelectorAll(".suggestion")) {
  button.addEventListener("click", () => {
    question.value = button.dataset.question;
    ask();
  });
}
for (const element of messages.querySelectorAll("[data-after]")) {
  show(element, element.dataset.after);
}
if (messages.firstElementChild) keepUp();
