// What AI SDK's DefaultChatTransport and useChat do between a page and /api/chat, in the open: send the last message,
// read the parts of the stream, add up the text.

const byId = (id) => document.getElementById(id);
const [app, messages, form, problem, wire] = ["app", "messages", "ask", "problem", "wire"].map(byId);
const chat = crypto.getRandomValues(new Uint32Array(4)).join("-"); // useChat makes such an id up as well
let sending = false;

async function send(text) {
  const message = { id: `${chat}-${messages.childElementCount}`, role: "user", parts: [{ type: "text", text }] };
  const response = await fetch(app.dataset.api, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body: JSON.stringify({ id: chat, messages: [message], trigger: "submit-message" }),
  });
  if (!response.ok) throw new Error((await response.json()).error?.message ?? `${response.status}`);
  show("user").textContent = text;
  const answer = show("assistant");
  for await (const part of parts(response.body)) {
    wire.append(`${JSON.stringify(part)}\n`);
    wire.scrollTop = wire.scrollHeight;
    if (part.type === "text-delta") answer.append(part.delta);
    if (part.type === "error") problem.textContent = part.errorText;
  }
}

/** Yield the parts of a UI message stream: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol */
async function* parts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

function show(role) {
  const article = document.createElement("article");
  article.className = `message ${role}`;
  article.setAttribute("aria-label", role === "user" ? "You" : "Answer");
  const text = document.createElement("div");
  text.className = "text";
  article.append(text);
  messages.append(article);
  return text;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = form.elements.content;
  if (sending || !question.value.trim()) return;
  sending = true;
  problem.textContent = wire.textContent = "";
  try {
    await send(question.value);
    question.value = "";
  } catch (error) {
    problem.textContent = error.message;
  }
  sending = false;
  question.focus();
});
