"""The demo provider: worth talking to, and every command does what demo.md says."""

import asyncio
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream import conf
from converse_stream.events import Delta, Finish, Reasoning, Text, Usage
from converse_stream.exceptions import ServerError
from converse_stream.models import Status
from converse_stream.providers.demo import Demo, answer, sections

ANSWERS = {
    "what is the stream record?": "The stream record",
    "How do I resume after a reload?": "Following, and resuming with a cursor",
    "what is a cursor": "Following, and resuming with a cursor",
    "how can I stop it?": "Stopping an answer",
    "Which statuses are there?": "The status of a message",
    "tell me about PrismStream": "PrismStream",
    "does it work over WebSocket": "WebSocket",
    "sse?": "Server-sent events",
    "rest api": "REST API",
    "do I need Celery or Redis?": "Growing",
    "can it use Postgres": "Growing",
    "how do I use an OpenAI key": "Providers and models",
    "which settings are there": "Settings",
    "how do I test my site": "Testing your site",
    "install": "Installing",
    "what happens with errors": "Errors and failed answers",
    "What is converse_stream?": "What is converse_stream?",
    "demo commands": "Demo commands",
}


def ask(question: str, **config: Any) -> list[Delta]:
    return list(Demo("demo", config={"pace": 0, **config}).stream([{"role": "user", "content": question}]))


def joined(deltas: list[Delta], kind: type = Text) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


@pytest.mark.parametrize(("question", "heading"), ANSWERS.items())
def test_a_question_gets_the_section_that_answers_it(question, heading):
    assert answer(question).startswith(f"## {heading}")


@pytest.mark.parametrize(
    "greeting", ["hi", "Hello!", "hey there", "good morning", "thanks", "", "  ", "?!", "what can you do"]
)
def test_a_greeting_is_answered_with_what_to_ask(greeting):
    text = answer(greeting)

    assert text.startswith("## Hello")
    assert "/long" in text


@pytest.mark.parametrize("question", ["zxqw", "was ist das", "你好吗", "🙂 🙂 qq", "why do cats purr"])
def test_a_question_it_cannot_answer_gets_a_list_of_what_it_can(question):
    text = answer(question)

    assert "found nothing about that" in text
    assert all(heading in text for heading in list(sections())[1:])


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_every_question_gets_an_answer(question):
    assert answer(question).strip()


def test_the_manual_has_headings_lists_tables_and_code():
    text = "\n".join(sections().values())

    assert 12 <= len(sections()) <= 18
    assert text.count("```python") >= 5
    assert re.search("^- ", text, re.MULTILINE)
    assert re.search(r"^\| ", text, re.MULTILINE)


def test_the_manual_names_only_settings_and_statuses_that_exist():
    text = "\n".join(sections().values())
    names = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", text)) - {
        "CONVERSE_STREAM",
        "INSTALLED_APPS",
        "OPENAI_API_KEY",
    }

    assert names <= set(conf.DEFAULTS)
    assert all(f"`{status}`" in sections()["The status of a message"] for status in Status)


def test_an_answer_is_the_manual_word_by_word_with_usage_and_an_ending():
    deltas = ask("cursor")

    words = [delta for delta in deltas if isinstance(delta, Text)]
    assert joined(deltas) == answer("cursor")
    assert all(re.fullmatch(r"\S+\s*", word.text) for word in words)
    assert deltas[-2:] == [Usage(1, len(words)), Finish("stop")]


def test_the_last_question_counts():
    messages = [
        {"role": "user", "content": "cursor"},
        {"role": "assistant", "content": "…"},
        {"role": "user", "content": "hi"},
    ]

    assert joined(list(Demo("demo", config={"pace": 0}).stream(messages))) == answer("hi")


def test_long_counts_to_n_in_words():
    deltas = ask("/long 500")

    assert joined(deltas) == "".join(f"{number} " for number in range(1, 501))
    assert deltas[-2] == Usage(2, 500)
    assert len([delta for delta in deltas if isinstance(delta, Text)]) == 500


@pytest.mark.parametrize(
    ("question", "count"), [("/long", 100), ("/LONG 7 please", 7), ("/long x", 100), ("/long 0", 0)]
)
def test_long_is_lenient(question, count):
    assert len(joined(ask(question)).split()) == count


def test_a_very_long_answer_is_not_built_in_memory_first():
    deltas = Demo("demo", config={"pace": 0}).stream([{"role": "user", "content": "/long 999999999"}])

    assert next(deltas) == Text("1 ")
    deltas.close()


def test_fail_says_something_and_fails():
    deltas = []
    with pytest.raises(ServerError, match="asked to fail"):
        for delta in Demo("demo", config={"pace": 0}).stream([{"role": "user", "content": "/fail"}]):
            deltas.append(delta)

    assert len(joined(deltas).split()) > 3


def test_think_reasons_first_and_then_answers():
    deltas = ask("/think cursor")

    kinds = [type(delta) for delta in deltas[:-2]]
    assert "cursor" in joined(deltas, Reasoning)
    assert joined(deltas) == answer("cursor")
    assert kinds == sorted(kinds, key=lambda kind: kind is Text)


def test_silent_says_nothing_until_its_time_is_up():
    assert ask("/silent", silence=0) == [Usage(1, 0), Finish("stop")]


async def test_silent_can_be_stopped():
    provider = Demo("demo", config={"silence": 3600})
    task = asyncio.ensure_future(anext(provider.astream([{"role": "user", "content": "/silent"}])))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_slow_is_slower_and_answers_the_rest():
    started = time.monotonic()
    deltas = ask("/slow hi", pace=0.0002)

    assert joined(deltas) == answer("hi")
    assert time.monotonic() - started > 0.0002 * 12 * len(joined(deltas).split()) * 0.9


def test_the_pace_is_that_of_speech_unless_it_is_set():
    assert Demo("demo").pace == pytest.approx(1 / 30)
    with pytest.raises(ValueError, match="pace must be a number"):
        Demo("demo", config={"pace": "fast"})


def test_told_numbered_passages_it_quotes_what_answers_the_question():
    told = """Answer from these.

[1] Harbours / Fees
```python
crowns = 9
```
Mooring costs [nine crowns](fees.md) a day.
Ships are welcome.

[2] Fjords / Depth
A fjord is deep.

[3] Harbours / Food
| soup | crowns |
"""

    assert answer("What does mooring cost?", told) == "Mooring costs nine crowns a day. [1]"
    assert answer("how deep is a fjord, and what is mooring?", told) == (
        "A fjord is deep. [2]\n\nMooring costs nine crowns a day. [1]"
    )
    assert answer("bananas", told) == "The passages do not answer this."
