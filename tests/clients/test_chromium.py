"""Chromium's own EventSource behind a network that cuts: it comes back by itself, and has everything once."""

import json
from typing import Any

import pytest

from converse_stream.dialects import BUILT_IN
from converse_stream.testing import FaultProxy
from tests.clients.conftest import Site, show
from tests.dialects.clients import READERS, Seen

pytestmark = [pytest.mark.clients, pytest.mark.browser, pytest.mark.slow]

WITH_CURSORS = [name for name, dialect in BUILT_IN.items() if dialect.has_cursors]
NAMES = ["message", "start", "text", "reset", "complete", "failed", "cancelled", "chunk", "completion", "error"]
NAMES += ["stream_start", "text_start", "text_delta", "text_complete", "stream_end"]
HOSTILE = 'ünïcødé 👩‍👩‍👧 \u2028 [DONE] data: 0\n\n"\\ <b>&amp;</b> '
FOLLOW = """([addresses, names]) => {
    window.sources = addresses.map(address => {
        const seen = { events: [], isClosed: false }
        const source = new EventSource(address)
        for (const name of names)
            source.addEventListener(name, event => {
                if (event.data !== undefined) seen.events.push([name, event.data, event.lastEventId])
            })
        source.addEventListener('error', () => { seen.isClosed = source.readyState === EventSource.CLOSED })
        return seen
    })
}"""


def read(dialect: str, events: list[list[str]]) -> Seen:
    seen = Seen()
    for name, data, cursor in events:
        assert not seen.ending, f"{name} after the ending"
        READERS[dialect](seen, "" if name == "message" else name, data if data == "[DONE]" else json.loads(data))
        seen.cursor = cursor
    return seen


# A browser holds six connections to one address; one is the page's.
@pytest.mark.parametrize(
    ("cut", "dialects"),
    [
        pytest.param({"cut_after": 4}, WITH_CURSORS[:5], id="every 4 chunks"),
        pytest.param({"cut_after": 9}, WITH_CURSORS[5:], id="every 9 chunks"),
        pytest.param({"slice": 61, "cut_after": 90}, WITH_CURSORS[::2], id="anywhere"),
    ],
)
def test_it_has_everything_once_and_is_told_to_stop(
    site: Site, tab: Any, cut: dict[str, int], dialects: list[str]
) -> None:
    connections: list[str] = []
    tab.on("request", lambda request: connections.append(request.url) if "/stream/" in request.url else None)
    with FaultProxy(site.url, **cut) as proxy, site.api as api:
        show(tab, proxy.url, **{"index.html": "<!doctype html>"})
        conversation = api.post("conversations/").json()["id"]
        message = api.post(f"conversations/{conversation}/messages/", json={"content": HOSTILE * 12}).json()["message"]
        addresses = [f"/api/messages/{message['id']}/stream/?dialect={dialect}" for dialect in dialects]

        tab.evaluate(FOLLOW, [addresses, NAMES])
        tab.wait_for_function("sources.every(source => source.isClosed)")
        sources = tab.evaluate("sources")
        stored = api.get(f"messages/{message['id']}/").json()

    assert (stored["status"], stored["content"]) == ("complete", HOSTILE * 12)
    for dialect, source in zip(dialects, sources, strict=True):
        seen = read(dialect, source["events"])
        assert (seen.text, seen.ending) == (stored["content"], "complete"), dialect
        assert seen.cursor == f"{message['id']}.end"
    assert len(WITH_CURSORS) == 10
    assert len(connections) >= 3 * len(dialects)
