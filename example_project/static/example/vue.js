// A conversation as Vue sees it: `useConversation` makes the record reactive, and three components show it.

import { createApp, h, nextTick, reactive, ref, watch } from "./vendor/vue-3.5.45.js";
import { Client } from "../converse_stream/client.js";

function useConversation(id, { api, token }) {
  const client = new Client({ base: api, csrf: token });
  const state = reactive({ id, messages: [], live: null, problem: "" });

  async function show(plain) {
    const note = plain.error?.message ?? (plain.status === "cancelled" ? "Stopped." : "");
    state.messages.push({ id: plain.id, role: plain.role, text: plain.content, note });
    if (plain.finished_at || plain.role === "user") return;
    const message = state.live = state.messages.at(-1); // the reactive one
    try {
      for await (const event of client.follow(plain.id, { after: plain.length })) {
        if (event.type === "text") message.text += event.text;
        if (event.type === "reset") message.text = "";
        if (event.type === "cancelled") message.note = "Stopped.";
        if (event.error) message.note = event.error.message;
      }
    } catch (error) {
      message.note = error.message;
    }
    state.live = null;
  }

  async function attempt(act) {
    state.problem = "";
    try {
      await act();
    } catch (error) {
      state.problem = error.message;
    }
    return !state.problem;
  }

  const load = () => attempt(async () => {
    if (!state.id) return;
    const { results } = await client.request("GET", `conversations/${state.id}/messages/?page_size=100`);
    results.forEach(show);
  });
  const ask = (content) => attempt(async () => {
    state.id ||= (await client.open()).id;
    const asked = await client.ask(state.id, content);
    show(asked.user_message);
    show(asked.message);
  });
  const stop = () => attempt(() => client.cancel(state.live.id));

  return { state, load, ask, stop };
}

const Message = ({ message, live }) =>
  h("article", { class: ["message", message.role], "aria-label": message.role === "user" ? "You" : "Answer", "aria-busy": live || null }, [
    h("div", { class: "text" }, message.text),
    message.note && h("p", { class: "note" }, message.note),
  ]);

const Chat = {
  props: ["id", "api", "token", "pages"],
  setup(props) {
    const { state, load, ask, stop } = useConversation(props.id, props);
    const draft = ref("");
    watch(() => state.id, (id) => history.replaceState(null, "", `${props.pages}${id}/`));
    watch(() => state.messages.at(-1)?.text, () => nextTick(() => scrollTo(0, document.body.scrollHeight)));
    load();

    async function submit(event) {
      event.preventDefault();
      if (draft.value.trim() && (await ask(draft.value))) draft.value = "";
    }

    return () => [
      h("div", { class: "demo-messages" }, state.messages.map((message) => h(Message, { key: message.id, message, live: message === state.live }))),
      h("form", { class: "demo-ask", onSubmit: submit }, [
        state.problem && h("p", { class: "error", role: "alert" }, state.problem),
        h("label", { class: "unseen", for: "question" }, "Message"),
        h("input", { id: "question", value: draft.value, placeholder: "Ask something", autocomplete: "off", onInput: (event) => { draft.value = event.target.value; } }),
        state.live ? h("button", { type: "button", class: "demo-stop", onClick: stop }, "Stop") : h("button", "Send"),
      ]),
    ];
  },
};

const place = document.getElementById("app");
const { api, pages, conversation, token } = place.dataset;
createApp(Chat, { id: conversation, api, pages, token }).mount(place);
