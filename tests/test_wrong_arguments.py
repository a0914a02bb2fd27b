"""What a developer gets wrong is refused with a clear error, before anything is written."""

import pytest

from converse_stream.cleaning import LONGEST_MODEL, LONGEST_PROVIDER
from converse_stream.dialects import get_dialect
from converse_stream.events import ToolCall
from converse_stream.exceptions import InvalidOptions, UnknownModel
from converse_stream.models import Attempt, Message
from converse_stream.responses import EventStreamResponse
from tests.records import Echo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def inline(settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"echo": {"class": Echo}}}


def test_the_names_that_are_taken_are_those_that_the_columns_hold():
    for model in (Message, Attempt):
        assert model._meta.get_field("model").max_length == LONGEST_MODEL
        assert model._meta.get_field("provider").max_length == LONGEST_PROVIDER


@pytest.mark.parametrize(
    "model",
    ["echo:" + "x" * 201, ["echo", "echo:" + "x" * 201], Echo("x" * 65), Echo("e", "x" * 201), 5, b"echo", [None]],
)
def test_a_model_without_a_name_that_can_be_stored_is_unknown(conversation, model):
    with pytest.raises(UnknownModel):
        conversation.ask("Hi", model=model)

    assert not conversation.messages.exists()


@pytest.mark.parametrize(("model", "error"), [("x" * 201, ValueError), (None, TypeError), (5, TypeError)])
def test_a_stream_of_a_model_whose_name_cannot_be_stored_is_not_opened(conversation, model, error):
    with pytest.raises(error, match="model"):
        conversation.start_stream(model=model)

    assert not conversation.messages.exists()


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "a\udc00b"])
def test_the_name_of_a_model_is_cleaned_like_any_text(conversation, name):
    asked = conversation.ask("Hi", model=f"echo:{name}")
    with conversation.start_stream(model=name) as stream:
        stream.append("Hello")

    names = conversation.messages.assistant().values_list("model", flat=True)
    assert [*names] == ["a\ufffdb", "a\ufffdb"]
    assert asked.attempts.get().model == "a\ufffdb"


def test_the_longest_names_are_taken(conversation):
    asked = conversation.ask("Hi", model=Echo("p" * 64, "x" * 200))

    stored = Message.objects.get(pk=asked.pk)
    assert (stored.provider, stored.model, stored.content) == ("p" * 64, "x" * 200, "Hi ")


@pytest.mark.parametrize("source", [{"type": "text", "text": "Hi"}, "Hi", b"Hi", bytearray(b"Hi"), 5], ids=repr)
def test_a_source_that_is_one_thing_is_no_source(conversation, source):
    with pytest.raises(TypeError, match="source must be an iterable of texts, deltas or mappings"):
        conversation.ask("Hi", source=source)

    assert not conversation.messages.exists()


@pytest.mark.parametrize("key", [None, "key"])
def test_what_is_no_message_can_be_followed_by_none(conversation, key):
    with pytest.raises(TypeError, match="parent must be a Message, not str"):
        conversation.ask("Hi", parent="x", client_key=key)
    with pytest.raises(TypeError, match="parent must be a Message, not str"):
        conversation.add_user_message("Hi", parent="x")

    assert not conversation.messages.exists()


@pytest.mark.parametrize("options", [5, "x", [1]])
def test_options_that_are_no_mapping_are_invalid(conversation, options):
    with pytest.raises(InvalidOptions, match="options must be a mapping"):
        conversation.ask("Hi", options=options)

    assert not conversation.messages.exists()


@pytest.mark.parametrize("dialect", [None, 5, ["native"]])
def test_a_dialect_that_is_no_name_is_refused(conversation, dialect):
    with pytest.raises(TypeError, match="dialect must be a name or a Dialect"):
        conversation.stream_response("Hi", dialect=dialect)
    assert not conversation.messages.exists()

    with pytest.raises(TypeError, match="dialect must be a name or a Dialect"):
        EventStreamResponse(conversation.ask("Hi", model="echo"), dialect=dialect)


def test_a_dialect_itself_will_do_in_place_of_its_name(conversation):
    response = conversation.stream_response("Hi", model="echo", dialect=get_dialect("text"))

    assert b"".join(response) == b"Hi "


WRONG_CALLS = [(5, "dig"), (None, "dig"), ("c1", 5), ("c1", None)]


@pytest.mark.parametrize(("id", "name"), WRONG_CALLS)
def test_a_tool_call_without_a_text_for_its_id_and_its_name_is_refused(conversation, id, name):
    with pytest.raises(TypeError, match=r"of a tool_call must be str"), conversation.start_stream() as stream:
        stream.append("Let me see. ")
        stream.tool_call(id, name, {})

    assert Message.objects.get(pk=stream.message.pk).parts == [{"type": "text", "text": "Let me see. "}]
    with pytest.raises(TypeError, match=r"of a tool_result must be str"), conversation.start_stream() as stream:
        stream.tool_result(id, name, {})


@pytest.mark.parametrize(("id", "name"), WRONG_CALLS)
@pytest.mark.parametrize("is_mapping", [True, False])
def test_one_from_a_source_fails_the_answer(conversation, is_mapping, id, name):
    call = {"type": "tool_call", "id": id, "name": name, "arguments": {}} if is_mapping else ToolCall(id, name, {})

    message = conversation.ask("Hi", source=["Let me see. ", call])

    stored = Message.objects.get(pk=message.pk)
    assert (stored.status, stored.error_code, stored.content) == ("failed", "internal", "Let me see. ")
    assert [part["type"] for part in stored.parts] == ["text"]
