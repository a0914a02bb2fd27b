"""Whatever a model writes stays text, however it is cut on the way: no script, no request, no report of the policy."""

from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import converse_stream
from tests.browser.hostile import OUTPUTS

pytestmark = pytest.mark.browser

STATIC = Path(converse_stream.__file__).parent / "static" / "converse_stream"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'; report-uri /reports"
)
PAGE = b"<!doctype html><title>quiet</title><main></main>"
LONGEST_CUT = 64
ELEMENTS = """
    a bdi blockquote br button code del div em figcaption figure hr li ol p pre span strong table tbody td th thead tr
    ul
"""
ATTRIBUTES = """
    aria-label aria-level class data-action data-language data-name dir href part rel role start tabindex target title
    type
"""
RENDER = """async ({outputs, longest, elements, attributes}) => {
  const { MarkdownStream } = await import("/markdown/stream.js");
  const main = document.querySelector("main");
  const wrong = [];
  let runs = 0;
  const look = (output, pieces) => {
    for (const element of main.querySelectorAll("*")) {
      if (!elements.includes(element.localName)) wrong.push(["element", element.localName, output]);
      for (const { name, value } of element.attributes) {
        if (!attributes.includes(name)) wrong.push(["attribute", name, output]);
        if (name === "href" && !/^(https?:|mailto:)/.test(value)) wrong.push(["address", value, output]);
      }
      if (element.localName === "a" && !element.rel.includes("noopener")) wrong.push(["rel", element.rel, output]);
    }
  };
  const render = (output, pieces) => {
    main.replaceChildren();
    const stream = new MarkdownStream(main);
    for (const piece of pieces) {
      stream.append(piece);
      stream.step(Infinity);
      look(output);
    }
    stream.finish();
    look(output);
    runs++;
    return main.innerHTML;
  };
  for (const output of outputs) {
    const bytes = new TextEncoder().encode(output);
    const whole = render(output, [output]);
    for (let cut = 1; cut <= Math.min(longest, bytes.length); cut++) {
      const decoder = new TextDecoder("utf-8", {ignoreBOM: true});
      const pieces = [decoder.decode(bytes.slice(0, cut), {stream: true}), decoder.decode(bytes.slice(cut))];
      if (render(output, pieces) !== whole) wrong.push(["other", cut, output]);
    }
    const single = new TextDecoder("utf-8", {ignoreBOM: true});
    const letters = Array.from(bytes, (byte) => single.decode(Uint8Array.of(byte), {stream: true}));
    if (bytes.length <= 400 && render(output, letters) !== whole) wrong.push(["other", "letters", output]);
    if (wrong.length > 20) break;
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { wrong, runs, title: document.title };
}"""


class Server(SimpleHTTPRequestHandler):
    """The static files, an empty page, and a place for the policy's reports."""

    reports: list[bytes] = []

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=str(STATIC))

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self) -> None:
        self.reports.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def quiet_page(browser: Any, address: str) -> tuple[Any, list[str]]:
    """Return an empty page under the policy, and the list of what it does that it should not."""
    page = browser.new_page()
    wrong: list[str] = []
    page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text))
    page.on("request", lambda request: wrong.append(request.url) if is_strange(request.url) else None)

    def is_strange(url: str) -> bool:
        return not (url == f"{address}/" or (url.startswith(address) and url.endswith(".js")))

    page.goto(address)
    return page, wrong


def test_there_are_three_hundred_of_them() -> None:
    assert len(set(OUTPUTS)) >= 300


def test_the_policy_reports_what_it_should(browser: Any, address: str) -> None:
    page, wrong = quiet_page(browser, address)

    page.evaluate("try { document.querySelector('main').innerHTML = '<b>' } catch {}")
    page.evaluate("document.querySelector('main').append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x'}))")
    page.wait_for_timeout(300)

    assert len(wrong) >= 2
    page.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_outputs_stay_text_at_every_cut(browser: Any, address: str) -> None:
    page, wrong = quiet_page(browser, address)
    Server.reports.clear()

    told = page.evaluate(
        RENDER,
        {"outputs": OUTPUTS, "longest": LONGEST_CUT, "elements": ELEMENTS.split(), "attributes": ATTRIBUTES.split()},
    )

    assert told["wrong"] == []
    assert told["title"] == "quiet"
    assert told["runs"] > 300 * 20
    assert wrong == []
    assert Server.reports == []
    page.close()


BOMBS = {
    "quotes": ">" * 100_000,
    "quotes with spaces": "> " * 50_000,
    "lists": "- " * 50_000 + "x",
    "a ladder of lists": "\n".join(" " * (2 * depth) + "- x" for depth in range(400)),
    "brackets": "[" * 100_000,
    "half links": "[a](" * 25_000,
    "images": "![" * 50_000,
    "stars": "*a " * 30_000,
    "double stars": "**a" * 30_000,
    "underscores": "_" * 100_000 + "a",
    "backticks": "` `` " * 20_000,
    "angles": "<" * 100_000,
    "comments": "<!--" * 25_000,
    "entities": "&#" * 50_000,
    "escapes": "\\[" * 50_000,
    "tables": "|a" * 2_000 + "\n" + "|-" * 2_000 + "\n" + ("|b" * 2_000 + "\n") * 20,
    "rows": "| a | b |\n|---|---|\n" + "| c | d |\n" * 8_000,
    "items": "- item **bold** and [a](http://b.c)\n" * 3_000,
    "a line of a megabyte": "x" * 1_000_000,
    "words of a megabyte": "word " * 200_000,
    "code of a megabyte": "```\n" + "let a = 1;\n" * 90_000,
    "code without a line's end": "```\n" + "x" * 1_000_000,
    "definitions": "[a]: http://b.c\n" * 4_000 + "[a] " * 1_000,
    "headings": "# a\n" * 20_000,
    "rules": "***\n" * 20_000,
}
LOAD = """async ({bomb}) => {
  const { MarkdownStream } = await import("/markdown/stream.js");
  const main = document.querySelector("main");
  main.replaceChildren();
  const stream = new MarkdownStream(main);
  stream.append(bomb);
  let longest = 0;
  let whole = 0;
  for (let isShown = false; !isShown; ) {
    const began = performance.now();
    isShown = stream.step(began + 8);
    longest = Math.max(longest, performance.now() - began);
    whole += performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve));
  }
  stream.finish();
  return { longest, whole, length: main.textContent.length };
}"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_shown_piece_by_piece(browser: Any, address: str, name: str) -> None:
    page, wrong = quiet_page(browser, address)

    told = page.evaluate(LOAD, {"bomb": BOMBS[name]})

    # Far more than it takes, since other processes share the machine; a parser let loose takes minutes, or the stack.
    assert told["longest"] < 1_000
    assert told["whole"] < 30_000
    assert wrong == []
    page.close()
