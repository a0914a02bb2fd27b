// The cases of the standard, and of web-platform-tests' eventsource/format-*, each at every split of its bytes.

import assert from "node:assert/strict";
import test from "node:test";

import { EventStreamDecoder } from "../../converse_stream/static/converse_stream/sse.js";

const message = (data, id = "", type = "message") => ({ type, data, id });

const CASES = {
  "the standard's stocks": ["data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]],
  "the standard's four blocks": [
    ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
    [message("first event", "1"), message("second event"), message(" third event")],
  ],
  // Empty data is not dispatched, two empty lines of it are one line feed, and a block without its blank line is dropped.
  "the standard's two events": ["data\n\ndata\ndata\n\ndata:", [message("\n")]],
  "the standard's space": ["data:test\n\ndata: test\n\n", [message("test"), message("test")]],
  "format-bom": ["\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n", [message("1"), message("3")]],
  "format-bom-2": ["\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n", [message("2"), message("3")]],
  "format-comments": ["data:1\n:\0\n:\r\ndata:2\n:" + "x".repeat(50) + "\rdata:3\n:data:fail\n\n", [message("1\n2\n3")]],
  "format-data-before-final-empty-line": ["retry:1000\ndata:test1\n\nid:test\ndata:test2", [message("test1")]],
  "format-field-data": ["data:\n\ndata\ndata\n\ndata:test\n\n", [message("\n"), message("test")]],
  "format-field-event": ["event:test\ndata:x\n\ndata:x\n\n", [message("x", "", "test"), message("x")]],
  "format-field-event-empty": ["event: \ndata:data\n\n", [message("data")]],
  "format-field-id": ["id: 1\ndata: a\n\ndata: b\n\n", [message("a", "1"), message("b", "1")]],
  "format-field-id-2": ["id: 1\n\nid\ndata: a\n\n", [message("a")]],
  "format-field-id-null": ["id: \0\0\ndata: a\n\n", [message("a")]],
  "format-field-parsing": [
    "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
    [message("\0\n 2\n1\n3\n\n4")],
  ],
  "format-field-retry-bogus": ["retry:3000\nretry:1000x\ndata:x\n\n", [message("x")]],
  "format-field-unknown": ["data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n", [message("test\n\ntest")]],
  "format-leading-space": ["data:\ttest\rdata: \ndata:test\n\n", [message("\ttest\n\ntest")]],
  "format-newlines": ["data:test\r\ndata\ndata:test\r\n\r", [message("test\n\ntest")]],
  "format-null-character": ["data:\0\n\n\n\n", [message("\0")]],
  "format-utf-8": ["data:ok…\n\ndata:🙂\n\n", [message("ok…"), message("🙂")]],
  "colons in a value": ["data:a:b: c\n\n", [message("a:b: c")]],
  "every line end": ["data:1\r\r\ndata:2\r\n\r\ndata:3\n\r", [message("1"), message("2"), message("3")]],
};

function decoded(...pieces) {
  const decoder = new EventStreamDecoder();
  return { events: pieces.flatMap((piece) => decoder.feed(piece)), decoder };
}

for (const [name, [stream, expected]] of Object.entries(CASES)) {
  test(`${name}, at every split of the bytes`, () => {
    const bytes = new TextEncoder().encode(stream);
    assert.deepEqual(decoded(bytes).events, expected);
    for (let at = 0; at <= bytes.length; at++) {
      for (let to = at; to <= bytes.length; to++) {
        assert.deepEqual(decoded(bytes.slice(0, at), bytes.slice(at, to), bytes.slice(to)).events, expected);
      }
    }
    assert.deepEqual(decoded(...Array.from(bytes, (byte) => Uint8Array.of(byte))).events, expected);
  });
}

test("an id moves the cursor without any data, and retry is read only where it is a number", () => {
  const { events, decoder } = decoded(new TextEncoder().encode("id: 7\nretry: 1500\n\nretry: soon\n\nretry:\n\n"));
  assert.deepEqual(events, []);
  assert.equal(decoder.lastEventId, "7");
  assert.equal(decoder.retry, 1500);
});

test("bytes that are no UTF-8 become replacement characters", () => {
  const { events } = decoded(Uint8Array.of(...new TextEncoder().encode("data:"), 0xff, 0x0a, 0x0a));
  assert.deepEqual(events, [message("\uFFFD")]);
});

test("a line of many pieces costs what it is long", () => {
  const decoder = new EventStreamDecoder();
  const piece = new Uint8Array(256).fill(0x78);
  decoder.feed(new TextEncoder().encode("data:"));
  const began = performance.now();
  for (let count = 0; count < 32_768; count++) decoder.feed(piece); // 8 MB
  const [event] = decoder.feed(new TextEncoder().encode("\n\n"));
  assert.equal(event.data.length, 32_768 * 256);
  assert.ok(performance.now() - began < 5_000);
});
