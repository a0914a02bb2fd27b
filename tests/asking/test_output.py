"""The direct output mode: each piece of text to a callback, and to anything that can be written to, as it comes."""

import io
import json

import pytest
from django.test import override_settings

from converse_stream.events import Text
from converse_stream.exceptions import Overloaded
from converse_stream.models import Message
from converse_stream.registry import provider
from converse_stream.testing import ReplayServer, ScriptedProvider
from tests.recordings import FOLDER

RECORDED = {
    "openai": ("responses-plain.sse", {"api": "responses"}),
    "anthropic": ("plain-short.sse", {}),
    "gemini": ("long-text-unicode.sse", {}),
    "xai": ("chat-grok2-no-reasoning.sse", {"api": "chat"}),
    "groq": ("plain-accent.sse", {}),
    "mistral": ("plain.sse", {}),
    "openrouter": ("plain-comments.sse", {}),
    "deepseek": ("plain.sse", {}),
    "ollama": ("native-plain-llama3.ndjson", {}),
}
HI = [{"role": "user", "content": "hi"}]


class Paper(io.StringIO):
    """Remembers what had been written at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[str] = []

    def flush(self) -> None:
        super().flush()
        self.flushed.append(self.getvalue())


@pytest.fixture(params=RECORDED)
def recorded(request):
    """Play a provider's recorded answer to whoever asks it. Yield its name and the text it will say."""
    if not FOLDER.is_dir():
        pytest.skip(f"no recordings in {FOLDER}")
    file, config = RECORDED[request.param]
    path = FOLDER / request.param / file
    text = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["expected"]["text"]
    with ReplayServer(path) as server:
        providers = {request.param: {"base_url": server.url, "api_key": "secret", **config}}
        with override_settings(CONVERSE_STREAM={"PROVIDERS": providers}):
            yield f"{request.param}:m", text


class Notes:
    """A callback that keeps what it is told, and checks that the pieces add up."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def __call__(self, text: str, full: str) -> None:
        self.pieces.append(text)
        assert text
        assert full == "".join(self.pieces)


@pytest.mark.django_db(transaction=True)
def test_every_provider_writes_to_a_callback_and_a_file_by_way_of_the_record(conversation, recorded):
    """Seeds: W-01, W-03, W-04, W-05, F-02, F-05, B-03, L-04"""
    model, text = recorded
    notes, paper = Notes(), Paper()

    message = conversation.ask("hi", model=model, on_chunk=notes, to=paper)

    assert "".join(notes.pieces) == paper.getvalue() == message.content == text
    assert paper.flushed[-1] == text and len(paper.flushed) == len(notes.pieces)
    assert message.status == "complete"


def test_every_provider_writes_to_a_callback_and_a_file_without_a_record(recorded):
    """Seeds: W-01, B-01, C-10"""
    model, text = recorded
    notes, paper = Notes(), Paper()

    said = provider(model).text(HI, on_chunk=notes, to=paper)

    assert "".join(notes.pieces) == paper.getvalue() == said == text


@pytest.mark.parametrize("runner", ["inline", "thread"])
@pytest.mark.django_db(transaction=True)
def test_a_failed_answer_is_handed_out_as_far_as_it_came(conversation, settings, runner):
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    notes = Notes()

    message = conversation.ask("hi", model=ScriptedProvider(["half ", Overloaded("busy")]), on_chunk=notes)

    assert (message.status, message.error_code, "".join(notes.pieces)) == ("failed", "overloaded", "half ")


@pytest.mark.django_db(transaction=True)
def test_who_stops_listening_does_not_stop_the_answer(conversation):
    class Broken(Paper):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        conversation.ask("hi", model=ScriptedProvider(["one ", "two"]), to=Broken())

    assert conversation.messages.last().wait(60).content == "one two"


@pytest.mark.parametrize("output", [{"to": object()}, {"to": "file.txt"}, {"on_chunk": "print"}])
@pytest.mark.django_db(transaction=True)
def test_what_takes_no_text_is_refused_before_anything_is_asked(conversation, output):
    model = ScriptedProvider(["never"])

    with pytest.raises(TypeError):
        conversation.ask("hi", model=model, **output)
    with pytest.raises(TypeError):
        model.text(HI, **output)

    assert not Message.objects.exists() and not model.prompts


@pytest.mark.django_db(transaction=True)
async def test_a_callback_may_be_async_in_async_code_only(conversation):
    pieces = []

    async def on_chunk(text: str, full: str) -> None:
        pieces.append((text, full))

    message = await conversation.aask("hi", model=ScriptedProvider(["one ", "two"]), on_chunk=on_chunk)

    assert "".join(text for text, _full in pieces) == pieces[-1][1] == message.content == "one two"
    with pytest.raises(TypeError, match="async"):
        ScriptedProvider(["never"]).text(HI, on_chunk=on_chunk)


async def test_an_async_stream_without_a_record_writes_to_a_file():
    paper = Paper()

    deltas = [delta async for delta in ScriptedProvider(["one ", "two"]).astream(HI, to=paper)]

    assert deltas[:2] == [Text("one "), Text("two")]
    assert paper.flushed == ["one ", "one two"]
