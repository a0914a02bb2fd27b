// Following over bad connections: a real server that breaks off, refuses, sends pages, repeats and leaves out.

import assert from "node:assert/strict";
import test from "node:test";

import { Client, follow, Refused, watch } from "../../converse_stream/static/converse_stream/client.js";
import { Surroundings } from "../../converse_stream/static/converse_stream/surroundings.js";
import { begun, complete, ID, serving, status, text, written } from "./server.mjs";

const soon = { random: () => 0 };
const path = `/api/messages/${ID}/stream/`;

async function read(following) {
  const events = [];
  for await (const event of following) events.push(event);
  return { events, said: events.map((event) => event.text ?? "").join(""), last: events.at(-1)?.type };
}

test("an answer is read to its ending, and each event says what to go on from", async (t) => {
  const { address, requests } = await serving(t, begun + text(0, "Hello, ") + text(7, "🙂!") + complete(9));

  const { events, said } = await read(follow(address + path, soon));

  assert.deepEqual(events.map(({ type, id }) => [type, id.slice(37)]), [["start", "0"], ["text", "7"], ["text", "9"], ["complete", "end"]]);
  assert.equal(said, "Hello, 🙂!");
  assert.equal(requests[0].url, `${path}?after=0`);
  assert.equal(requests[0].headers.accept, "text/event-stream");
});

test("a stream that was cut at any byte goes on without a gap or a repeat", async (t) => {
  const whole = Buffer.from(begun + text(0, "eins 🙂 ") + text(7, "zwei ") + text(12, "drei") + complete(16));
  const rest = {
    0: whole,
    7: Buffer.from(text(7, "zwei ") + text(12, "drei") + complete(16)),
    12: Buffer.from(text(12, "drei") + complete(16)),
    16: Buffer.from(complete(16)),
  };
  for (let cut = 0; cut <= whole.length; cut += 3) {
    const { address } = await serving(t, whole.subarray(0, cut), (request, response) => {
      const after = Number(new URL(request.url, "http://x").searchParams.get("after").split(".").at(-1));
      response.writeHead(200, { "Content-Type": "text/event-stream" }).end(rest[after]);
    });

    const { said, last } = await read(follow(address + path, soon));

    assert.equal(said, "eins 🙂 zwei drei", `cut at ${cut}`);
    assert.equal(last, "complete");
  }
});

test("what does not begin where we are is not shown, and asked for again", async (t) => {
  const { address, requests } = await serving(t, begun + text(0, "one") + text(9, "nine"), text(3, "two") + complete(6));

  const { said } = await read(follow(address + path, soon));

  assert.equal(said, "onetwo");
  assert.equal(requests[1].url, `${path}?after=${ID}.3`);
});

test("what was shown already is not shown twice", async (t) => {
  const { address } = await serving(t, begun + text(0, "one") + text(0, "one"), text(3, "two") + complete(6));

  assert.equal((await read(follow(address + path, soon))).said, "onetwo");
});

test("a reset begins anew where it says", async (t) => {
  const reset = written("reset", 0, { message: { id: ID } });
  const { address } = await serving(t, reset + text(0, "new") + complete(3));

  const { events } = await read(follow(address + path, { ...soon, after: 400 }));

  assert.deepEqual(events.map((event) => event.type), ["reset", "text", "complete"]);
});

test("a tool call counts one and keeps its own id beside the cursor", async (t) => {
  const call = written("tool_call", 0, { type: "tool_call", id: "call_1", name: "weather", arguments: {} }, 1);
  const { address } = await serving(t, begun + call + written("brandnew", 1, {}, 2) + text(2, "Cold.") + complete(7));

  const { events } = await read(follow(address + path, soon));

  assert.equal(events[1].call_id, "call_1");
  assert.equal(events[1].id, `${ID}.1`);
  assert.equal(events.at(-1).type, "complete");
});

test("a newer release, with kinds and fields that this one does not know, is followed as before", async (t) => {
  const more = { mood: "fine", nested: { start: 9, id: "x" } };
  const old = written("start", 0, { message: { id: ID, status: "streaming", ...more }, ...more });
  const picture = written("picture", 2, { url: "/p.png", text: "four", ...more }, 3);
  const rest = written("text", 3, { text: "there", ...more }, 8);
  const ending = written("complete", 8, { message: { id: ID, status: "complete", ...more }, ...more }, "end");
  const { address, requests } = await serving(t, old + text(0, "Hi") + picture + rest.slice(0, -9), rest + ending);

  const { events } = await read(follow(address + path, soon));

  assert.deepEqual(events.map((event) => event.type), ["start", "text", "picture", "text", "complete"]);
  assert.equal(events.filter((event) => event.type === "text").map((event) => event.text).join(""), "Hithere");
  assert.equal(requests.length, 2);
  assert.match(requests[1].url, /after=.*\.3$/);
});

test("204 says that nothing is left", async (t) => {
  const { address } = await serving(t, (_request, response) => response.writeHead(204).end());

  assert.deepEqual((await read(follow(address + path, soon))).events, []);
});

for (const [code, body, expected] of [
  [400, { error: { code: "bad_cursor", message: "This is no cursor." } }, "This is no cursor."],
  [401, { detail: "Please sign in." }, "Please sign in."],
  [403, { error: { code: "login_required", message: "Please sign in." } }, "Please sign in."],
  [404, "<h1>Not Found</h1>", "The server refused this (404)."],
  [409, { content: ["A list of one."] }, "A list of one."],
]) {
  test(`${code} ends following with what the server says`, async (t) => {
    const { address, requests } = await serving(t, status(code, body));

    await assert.rejects(read(follow(address + path, soon)), (error) => {
      assert.ok(error instanceof Refused);
      assert.equal(error.status, code);
      assert.equal(error.message, expected);
      return true;
    });
    assert.equal(requests.length, 1);
  });
}

for (const [what, answer] of [
  ["429", status(429, { error: { code: "too_many_viewers", message: "Too many." } })],
  ["500", status(500, "<h1>Server Error</h1>")],
  ["502 of a proxy", status(502, "<html>nginx</html>")],
  ["a page of HTML", status(200, "<html>Be right back</html>")],
  ["an empty page", status(200, "")],
  ["a stream of nonsense", "event: text\ndata: {not json\n\n"],
  ["JSON that is no event", "event: text\ndata: 7\n\n"],
  ["a connection that is reset", (request) => request.socket.destroy()],
  ["a body that breaks off", (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(": hello\n");
    setTimeout(() => response.destroy(), 5);
  }],
]) {
  test(`${what} is waited out, before the answer and in the middle`, async (t) => {
    const { address } = await serving(t, answer, answer, begun + text(0, "one"), answer, text(3, "two") + complete(6));
    const following = follow(address + path, soon);
    const states = new Set();
    following.addEventListener("state", (event) => states.add(event.detail.state));

    assert.equal((await read(following)).said, "onetwo");

    assert.deepEqual([...states], ["reconnecting", "live", "ended"]);
  });
}

test("the page to sign in on, where the stream should be, ends following as signed out", async (t) => {
  const { address } = await serving(
    t,
    (_request, response) => response.writeHead(302, { Location: "/login/" }).end(),
    status(200, "<form>"),
  );

  await assert.rejects(read(follow(address + path, soon)), (error) => error.isSignedOut && error.code === "login_required");
});

test("Retry-After is kept, in seconds", async (t) => {
  const { address } = await serving(t, status(429, {}, { "Retry-After": "1" }), begun + complete(0));
  const began = performance.now();

  await read(follow(address + path, soon));

  assert.ok(performance.now() - began >= 990);
});

test("Retry-After as a date counts from the server's clock, however wrong ours is", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(1999, 0, 1) });
  const headers = { "Retry-After": "Fri, 01 Jan 2100 00:00:01 GMT", Date: "Fri, 01 Jan 2100 00:00:00 GMT" };
  const { address } = await serving(t, status(503, {}, headers), begun + complete(0));
  const following = follow(address + path, soon);
  const waits = [];
  following.addEventListener("state", (event) => waits.push(event.detail.wait));

  await read(following);

  assert.equal(Math.max(...waits), 1000);
});

test("a clock that jumps while an answer is followed changes nothing", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 0 });
  const { address, requests } = await serving(t, async (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(begun + text(0, "one"));
    t.mock.timers.setTime(Date.UTC(2090, 0, 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.mock.timers.setTime(1);
    response.end(text(3, "two") + complete(6));
  });

  assert.equal((await read(follow(address + path, soon))).said, "onetwo");
  assert.equal(requests.length, 1);
});

test("silence longer than heartbeats allow is a lost connection", async (t) => {
  const { address, requests } = await serving(
    t,
    (_request, response) => response.writeHead(200, { "Content-Type": "text/event-stream" }).write(begun + text(0, "one")),
    text(3, "two") + complete(6),
  );

  assert.equal((await read(follow(address + path, { ...soon, silence: 100 }))).said, "onetwo");
  assert.equal(requests.length, 2);
});

test("heartbeats keep a silent connection", async (t) => {
  const { address, requests } = await serving(t, async (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(begun);
    for (let beats = 0; beats < 8; beats++) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      response.write(":\n");
    }
    response.end(complete(0));
  });

  await read(follow(address + path, { ...soon, silence: 200 }));

  assert.equal(requests.length, 1);
});

test("pauses grow to half a minute, and any event makes them short again", async (t) => {
  const waits = [];
  let isThere = false;
  const transport = async function* () {
    if (isThere) yield { type: "start", start: 0, id: `${ID}.0` };
    throw new TypeError("network error");
  };
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const following = follow(`/${ID}/`, { transport, random: () => 1 });
  following.addEventListener("state", ({ detail }) => {
    if (!detail.wait) return;
    waits.push(detail.wait);
    isThere = waits.length === 8;
    if (waits.length === 9) following.close();
    setImmediate(() => t.mock.timers.tick(detail.wait));
  });

  await read(following);

  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 500]);
});

test("the server's own pace is kept", async (t) => {
  const { address } = await serving(t, "retry: 20\n\n" + begun, complete(0));
  const following = follow(address + path, { random: () => 1 });
  const waits = [];
  following.addEventListener("state", ({ detail }) => detail.wait && waits.push(detail.wait));

  await read(following);

  assert.deepEqual(waits, [20]);
});

test("as events: a listener is all it takes", async (t) => {
  const { address } = await serving(t, begun + text(0, "Hi!") + complete(3));
  const following = follow(address + path, soon);
  const seen = [];
  following.addEventListener("text", (event) => seen.push(event.detail.text));
  following.addEventListener("event", (event) => seen.push(event.detail.type));

  await new Promise((resolve) => following.addEventListener("end", resolve));

  assert.deepEqual(seen, ["start", "Hi!", "text", "complete"]);
  assert.equal(following.state, "ended");
});

test("as events: a refusal is an event", async (t) => {
  const { address } = await serving(t, status(404));
  const following = follow(address + path, soon);

  const error = await new Promise((resolve) => following.addEventListener("error", (event) => resolve(event.detail)));

  assert.equal(error.status, 404);
});

test("closing lets go of the connection, and iterating ends", async (t) => {
  let isGone = false;
  const { address } = await serving(t, (request, response) => {
    request.socket.on("close", () => (isGone = true));
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(begun);
  });
  const following = follow(address + path, soon);

  for await (const _event of following) following.close();
  while (!isGone) await new Promise((resolve) => setTimeout(resolve, 5));

  assert.equal(following.cursor, `${ID}.0`);
});

/** A window that can be hidden, left, and taken off the network. */
class Page extends EventTarget {
  navigator = { onLine: true };
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  change(name, { onLine = true, visibilityState = "visible" } = {}) {
    this.navigator.onLine = onLine;
    this.document.visibilityState = visibilityState;
    (name === "visibilitychange" ? this.document : this).dispatchEvent(new Event(name));
  }
}

for (const [what, leave, back, state] of [
  ["offline", ["offline", { onLine: false }], ["online"], "offline"],
  ["hidden for long", ["visibilitychange", { visibilityState: "hidden" }], ["visibilitychange"], "hidden"],
  ["in the back/forward cache", ["pagehide"], ["pageshow"], "hidden"],
]) {
  test(`a page that is ${what} lets go, and comes back with its cursor at once`, async (t) => {
    const target = new Page();
    const { address, requests } = await serving(
      t,
      (_request, response) => {
        response.writeHead(200, { "Content-Type": "text/event-stream" }).write(begun + text(0, "one"));
      },
      text(3, "two") + complete(6),
    );
    const surroundings = new Surroundings({ target, grace: 20 });
    const following = follow(address + path, { surroundings, random: () => 1 });
    const states = [];
    following.addEventListener("state", async ({ detail }) => {
      states.push(detail.state);
      if (detail.state !== state) return;
      assert.equal(requests.length, 1);
      await new Promise((resolve) => setTimeout(resolve, 30));
      target.change(...back);
    });
    let said = "";

    for await (const event of following) {
      said += event.text ?? "";
      if (event.text === "one") target.change(...leave);
    }

    assert.equal(said, "onetwo");
    assert.deepEqual(states, ["live", state, "connecting", "live", "ended"]);
    assert.equal(requests[1].url, `${path}?after=${ID}.3`);
  });
}

test("a glance at another tab keeps the connection", async (t) => {
  const target = new Page();
  const { address, requests } = await serving(t, async (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(begun);
    await new Promise((resolve) => setTimeout(resolve, 50));
    response.end(complete(0));
  });
  const following = follow(address + path, { surroundings: new Surroundings({ target }), ...soon });

  for await (const event of following) {
    if (event.type === "start") target.change("visibilitychange", { visibilityState: "hidden" });
  }

  assert.equal(requests.length, 1);
});

test("being online again ends the wait", async (t) => {
  const target = new Page();
  const { address, requests } = await serving(t, status(503), begun + complete(0));
  const following = follow(address + path, { surroundings: new Surroundings({ target }), random: () => 1 });
  following.addEventListener("state", ({ detail }) => {
    if (detail.wait) setTimeout(() => target.change("online"), 5);
  });
  const began = performance.now();

  await read(following);

  assert.equal(requests.length, 2);
  assert.ok(performance.now() - began < 450);
});

const CONVERSATION = "0b9c7d2e-2f0c-4d7e-9a53-5a1f6a7f9f10";
const update = (id, type, data) => `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

test("a conversation is watched over cuts and gaps until it is gone", async (t) => {
  const one = { message_id: ID };
  const { address, requests } = await serving(
    t,
    update("c.1", "conversation", { title: "Fjords" }) + update("c.2", "start", { ...one, start: 0 }) +
      update("c.3", "text", { ...one, start: 0, text: "a🙂" }) + update("c.5", "text", { ...one, start: 7, text: "lost" }),
    update("c.4", "text", { ...one, start: 2, text: "b" }) + update("c.6", "complete", { ...one, start: 3 }) + update("c.7", "gone", {}),
  );

  const { said, last } = await read(watch(CONVERSATION, { ...soon, base: `${address}/api/`, after: 4 }));

  assert.equal(said, "a🙂b");
  assert.equal(last, "gone");
  assert.deepEqual(requests.map(({ url }) => url.split("?")[1]), ["after=4", "after=c.3"]);
});

const asked = { message: { id: ID }, user_message: {}, stream_url: path };

test("asking again after a failure sends the same key", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const { address, requests } = await serving(t, (request) => request.socket.destroy(), status(502, "<html>"), status(202, asked));
  const client = new Client({ base: `${address}/api/`, csrf: "token" });

  const { message } = await client.ask(CONVERSATION, "What is a fjord?", { model: "demo" });

  assert.equal(message.id, ID);
  const keys = new Set(requests.map(({ headers }) => headers["idempotency-key"]));
  assert.equal(requests.length, 3);
  assert.equal(keys.size, 1);
  assert.match([...keys][0], /^[0-9a-f]{32}$/);
  assert.equal(requests[2].headers["x-csrftoken"], "token");
  assert.deepEqual(JSON.parse(requests[2].body), { content: "What is a fjord?", model: "demo" });
});

for (const [code, body] of [[400, {}], [401, {}], [409, { error: { code: "busy", message: "Busy.", live_message: ID } }], [429, {}]]) {
  test(`asking is not tried again after ${code}`, async (t) => {
    const { address, requests } = await serving(t, status(code, body));
    const client = new Client({ base: `${address}/api/` });

    await assert.rejects(client.ask(CONVERSATION, "x"), (error) => error.status === code && error.data !== null);
    assert.equal(requests.length, 1);
  });
}

test("a page where JSON should be is a refusal, not nonsense", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const { address } = await serving(t, status(200, "<html>"));

  await assert.rejects(new Client({ base: `${address}/api/` }).cancel(ID), (error) => error.code === "unexpected");
});
