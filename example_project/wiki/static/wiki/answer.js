// The answer to a question as it grows. At its end the server's own rendering, with the citations, takes its place.

import { follow } from "../converse_stream/client.js";

const SAID = { live: "Answering…", offline: "You are offline.", reconnecting: "Connection lost. Trying again…" };

async function watch(answer) {
  const text = answer.querySelector(".text");
  const status = answer.querySelector("#status");
  const { stream, after } = answer.dataset;
  const following = follow(stream, { after });
  following.addEventListener("state", ({ detail }) => (status.textContent = SAID[detail.state] ?? ""));
  try {
    for await (const event of following) {
      // What a model wrote is only ever put into text nodes here.
      if (event.type === "text") text.append(event.text);
      else if (event.type === "reset") text.replaceChildren();
    }
    const response = await fetch(location.href, { cache: "no-store" });
    if (!response.ok) throw new Error("The answer has ended. Reload the page to see it with its citations.");
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    answer.replaceWith(page.getElementById("answer"));
  } catch (error) {
    status.textContent = error.message;
    answer.removeAttribute("aria-busy");
  }
}

const answer = document.querySelector("#answer[data-stream]");
if (answer) watch(answer);
