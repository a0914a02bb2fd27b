"""A page with the component and nothing behind it but what a test plays: for what is measured in the browser."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

from django.template.loader import render_to_string

import converse_stream

STATIC = Path(converse_stream.__file__).parent / "static"
CONVERSATION = "0b9c7d2e-2f0c-4d7e-9a53-5a1f6a7f9f10"
ANSWER = "6f1f9a52-7c3e-4a53-9a39-0f0a4b6f7a10"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
)
FRAME = """<!doctype html><html lang="en" dir="{dir}"><head><meta charset="utf-8"><title>Chat</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/page.css"></head><body><main><h1>Chat</h1>{chat}</main></body></html>"""
STYLE = b"""html, body, main { height: 100%; margin: 0; color-scheme: light dark }
body { background: light-dark(#fff, #15181d) }
main { display: flex; flex-direction: column } h1 { position: absolute; clip-path: inset(50%) }
converse-chat { flex: 1; height: auto; min-height: 0 }"""

Score = Callable[[Callable[[str, dict[str, Any]], None]], None]


class Stage(ThreadingHTTPServer):
    """Serves the component with these messages; `score` plays the conversation's feed."""

    daemon_threads = True

    def __init__(
        self, messages: list[SimpleNamespace], score: Score, *, direction: str, suggestions: list[str]
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Player)
        self.over = Event()
        self.score = score
        context = {
            "api": "/api/",
            "conversation": SimpleNamespace(pk=CONVERSATION),
            "shown": messages,
            "data": {},
            "is_staff": True,
            "announce": "sentences",
            "suggestions": suggestions,
            "csrf_token": "token",
            "key": "key",
        }
        chat = render_to_string("converse_stream/chat.html", context)
        self.page = FRAME.format(chat=chat, dir=direction).encode()
        self.address = f"http://127.0.0.1:{self.server_port}"


class _Player(SimpleHTTPRequestHandler):
    server: Stage

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=str(STATIC.parent))

    def do_GET(self) -> None:
        if self.path == "/":
            self._say("text/html", self.server.page)
        elif self.path == "/page.css":
            self._say("text/css", STYLE)
        elif self.path.startswith("/api/"):
            self._begin("text/event-stream")
            self.server.score(self._play)
            self.server.over.wait()
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.send_response(409)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"error": {"code": "busy", "message": "An answer is still being written."}}')

    def _say(self, kind: str, body: bytes) -> None:
        self._begin(kind)
        self.wfile.write(body)

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()

    def _play(self, kind: str, data: dict[str, Any]) -> None:
        said = json.dumps({"type": kind, "conversation": CONVERSATION, "message_id": ANSWER, **data})
        self.wfile.write(f"id: cursor\nevent: {kind}\ndata: {said}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


def facts(number: int, role: str, status: str = "complete", **more: Any) -> dict[str, Any]:
    """Return a message as the feed tells it."""
    own = ANSWER if status == "streaming" else f"00000000-0000-4000-8000-{number:012}"
    parent = f"00000000-0000-4000-8000-{number - 1:012}" if number > 1 else None
    return {"id": own, "parent": parent, "number": number, "role": role, "status": status, "parts": [], **more}


def written(number: int, role: str, text: str, *, error: dict[str, Any] | None = None, **more: Any) -> SimpleNamespace:
    """Return a message as the server's page shows it."""
    told = facts(number, role, "failed" if error else "complete")
    message = SimpleNamespace(
        pk=told["id"], parent_id=told["parent"], number=number, role=role, status=told["status"], is_live=False,
        finish_reason="stop", output_tokens=120, duration=2.5, cost="0.0012", public_error=error,
    )  # fmt: skip
    sections = [SimpleNamespace(kind="text", text=text, summary=""), *more.get("sections", [])]
    is_question = role == "user"
    return SimpleNamespace(
        message=message, sections=sections, note=error["message"] if error else "", is_question=is_question,
        is_answer=not is_question,
    )  # fmt: skip


@contextmanager
def stage(
    messages: list[SimpleNamespace],
    score: Score = lambda _play: None,
    *,
    direction: str = "ltr",
    suggestions: list[str] | None = None,
) -> Iterator[str]:
    """Yield the address of a page with these messages, and what is played after them."""
    with Stage(messages, score, direction=direction, suggestions=suggestions or []) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.address
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def paced(play: Callable[[str, dict[str, Any]], None], start: int, tokens: list[str], per_second: float) -> int:
    """Play tokens at a pace. Return the position after them."""
    began = time.monotonic()
    for count, token in enumerate(tokens):
        play("text", {"start": start, "text": token})
        start += len(token)
        time.sleep(max(0.0, began + (count + 1) / per_second - time.monotonic()))
    return start
