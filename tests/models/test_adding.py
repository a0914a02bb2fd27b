"""Messages as developers write them: in many forms, in one statement, from templates and from responses."""

from types import SimpleNamespace

import pytest
from django.template import TemplateDoesNotExist
from django.test import override_settings

from converse_stream.events import ToolCall, ToolResult
from converse_stream.exceptions import ContentTooLong, ConversationBusy, InvalidContent, ReservedMetadata
from converse_stream.models import Chunk, Conversation, Message, Role
from converse_stream.prompts import AssistantMessage, PromptMessage, SystemMessage, UserMessage
from converse_stream.registry import BUILT_IN, provider
from converse_stream.rendering import PromptTemplate
from converse_stream.testing import ScriptedProvider

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATES = {
    "prompts/hello.txt": "{% extends 'prompts/base.txt' %}{% block said %}Hello, {{ name }}!{% endblock %}",
    "prompts/base.txt": "{% block said %}{% endblock %} Be brief.",
}


@pytest.fixture
def templates(settings):
    loaders = [("django.template.loaders.locmem.Loader", TEMPLATES)]
    settings.TEMPLATES = [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": loaders}}
    ]


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in conversation.messages.all()]


class TestBulk:
    """Seeds: V-11, V-12"""

    def test_all_forms_may_be_mixed(self, conversation):
        """Seeds: V-11, V-12"""
        messages = conversation.add_messages(
            "One",
            {"role": "assistant", "content": "Two", "metadata": {"topic": "numbers"}},
            {"type": "user", "content": "Three"},
            {"role": Role.SYSTEM, "content": "Four"},
            UserMessage("Five", {"mood": "good"}),
            AssistantMessage("Six"),
            SystemMessage("Seven"),
            PromptMessage("user", [{"type": "text", "text": "Eight"}]),
            PromptTemplate(source="Nine"),
        )

        assert said(conversation) == [
            ("user", "One"),
            ("assistant", "Two"),
            ("user", "Three"),
            ("system", "Four"),
            ("user", "Five"),
            ("assistant", "Six"),
            ("system", "Seven"),
            ("user", "Eight"),
            ("user", "Nine"),
        ]
        assert [message.number for message in messages] == list(range(1, 10))
        assert (messages[1].metadata, messages[4].metadata) == ({"topic": "numbers"}, {"mood": "good"})
        stored = list(conversation.messages.all())
        assert [message.parent_id for message in stored[1:]] == [message.pk for message in stored[:-1]]
        assert all(message.status == "complete" and message.length for message in stored)

    @pytest.mark.parametrize("count", [1, 20])
    def test_many_cost_one_insert(self, conversation, count, django_assert_num_queries):
        """Seeds: V-11"""
        # begin, the conversation's lock and its number, one insert, commit
        with django_assert_num_queries(5) as counted:
            conversation.add_messages(f"message {number}" for number in range(count))
        # later also the live answer and the leaf
        with django_assert_num_queries(7) as counted_later:
            conversation.add_messages(f"message {number}" for number in range(count))

        for each in (counted, counted_later):
            assert sum(query["sql"].startswith("INSERT") for query in each.captured_queries) == 1
        assert conversation.messages.count() == 2 * count

    def test_a_list_is_as_good_as_its_items(self, conversation):
        conversation.add_messages(["One", "Two"])
        conversation.add_messages("Three", "Four")

        assert [content for _role, content in said(conversation)] == ["One", "Two", "Three", "Four"]

    def test_nothing_is_added_for_nothing(self, conversation):
        assert conversation.add_messages([]) == []

    async def test_async_code_may(self, conversation):
        messages = await conversation.aadd_messages("One", "Two")

        assert [message.content for message in messages] == ["One", "Two"]

    @pytest.mark.parametrize(
        "bad",
        [
            pytest.param(object(), id="an object"),
            None,
            7,
            {"content": "no role"},
            {"role": "boss", "content": "x"},
            {"role": "user"},
            {"role": "user", "content": "x", "contnet": "y"},
            {"role": "user", "content": " "},
            {"role": "user", "parts": []},
            {"role": "user", "parts": "text"},
            {"role": "user", "parts": [{"type": "file"}]},
            {"role": "user", "parts": [{"type": "text", "text": 7}]},
            {"role": "user", "parts": [{"type": "text", "text": ""}]},
            {"type": "tool_call", "id": 7, "name": "f", "arguments": {}},
            {"type": "tool_result", "id": "1", "name": "f"},
            {"type": "tool_call", "id": "1", "name": "f", "arguments": {1, 2}},
            UserMessage(None),
            AssistantMessage(""),
        ],
    )
    def test_one_bad_item_keeps_all_from_being_written(self, conversation, bad):
        """Seeds: V-11, V-12"""
        with pytest.raises(InvalidContent, match="item 1") as raised:
            conversation.add_messages("fine", bad, "fine")

        assert isinstance(raised.value, ValueError)
        conversation.refresh_from_db()
        assert (conversation.last_number, Message.objects.count()) == (0, 0)

    def test_limits_hold_for_each(self, conversation, settings):
        settings.CONVERSE_STREAM = {"MAX_PROMPT_CHARS": 5}

        with pytest.raises(ContentTooLong, match="item 1"):
            conversation.add_messages("short", "too long")
        with pytest.raises(ContentTooLong, match="item 0"):
            conversation.add_messages(PromptMessage("user", [{"type": "text", "text": "abc"}] * 2))
        with pytest.raises(ReservedMetadata, match="item 0"):
            conversation.add_messages({"role": "user", "content": "x", "metadata": {"tokens": 1}})

    def test_nothing_is_added_while_an_answer_is_live(self, conversation):
        with conversation.start_stream() as stream:
            with pytest.raises(ConversationBusy):
                conversation.add_messages("One", "Two")
            stream.append("x")


class TestTools:
    """Seeds: V-12, C-21, C-22"""

    def test_calls_and_results_may_be_messages_of_their_own(self, conversation):
        """Seeds: V-12, C-21, C-22"""
        conversation.add_messages(
            "Weather?",
            ToolCall("1", "weather", {"city": "Oslo"}),
            {"type": "tool_result", "id": "1", "name": "weather", "result": {"celsius": -3}},
            "Thanks",
        )

        asked, called, thanked = conversation.history()

        assert [part["type"] for part in called.parts] == ["tool_call", "tool_result"]
        assert (called.parts[0]["arguments"], called.parts[1]["result"]) == ({"city": "Oslo"}, {"celsius": -3})
        assert (asked.text, thanked.text) == ("Weather?", "Thanks")
        assert [message.role for message in conversation.messages.all()] == ["user", "assistant", "tool", "user"]

    def test_a_call_without_its_result_is_given_one_and_a_result_without_its_call_is_told_to_nobody(self, conversation):
        """Seeds: C-22, A-07."""
        conversation.add_messages(
            "Weather?",
            ToolCall("1", "weather", {}),
            ToolCall("2", "weather", {}),
            ToolResult("2", "weather", "cold"),
            ToolResult("9", "weather", "whose?"),
        )

        told = [part for message in conversation.history() for part in message.parts if "id" in part]

        assert [(part["type"], part["id"], part.get("is_error")) for part in told] == [
            ("tool_call", "1", None),
            ("tool_result", "1", True),
            ("tool_call", "2", None),
            ("tool_result", "2", False),
        ]

    @pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"demo"}))
    def test_every_provider_can_be_asked_with_them(self, conversation, name):
        """Seeds: C-21, C-22, V-28"""
        conversation.add_messages(
            "Weather?", ToolCall("call_1", "weather", {"city": "Oslo"}), ToolResult("call_1", "weather", "cold"), "So?"
        )
        asked = provider(f"{name}:m")

        _path, body = asked.request(asked.prompt(conversation.history()))[:2]

        assert str(body).count("cold") == 1
        assert "Oslo" in str(body) and "interrupted" not in str(body)

    def test_properties_find_them_again(self, conversation):
        """Seeds: V-17"""
        with conversation.start_stream() as stream:
            stream.append("Let me see. ").tool_call("1", "f", {"x": 0}).tool_result("1", "f", "done")

        assert [(call["id"], call["name"], call["arguments"]) for call in stream.message.tool_calls] == [
            ("1", "f", {"x": 0})
        ]
        assert [result["result"] for result in stream.message.tool_results] == ["done"]
        assert conversation.add_user_message("x").tool_calls == []


class TestTemplates:
    """Seeds: V-13"""

    def test_a_template_is_rendered_unescaped_and_its_name_is_kept(self, conversation, templates):
        """Seeds: V-13"""
        message = conversation.add_user_message(PromptTemplate("prompts/hello.txt", {"name": "<O'Brien & Søn>"}))

        message.refresh_from_db()
        assert message.content == "Hello, <O'Brien & Søn>! Be brief."
        assert message.metadata == {"template": "prompts/hello.txt"}

    def test_a_question_and_a_system_prompt_may_be_templates(self, conversation, templates):
        """Seeds: V-13"""
        model = ScriptedProvider(["Hello."])
        hello = PromptTemplate("prompts/hello.txt", {"name": "Ada"})

        answer = conversation.prompt(hello).using(model).with_system(PromptTemplate(source="{{ a }}<b>")).start()
        answer.wait(60)

        assert [message.text for message in model.prompts[0].messages] == ["<b>", "Hello, Ada! Be brief."]
        assert answer.parent.metadata == {"template": "prompts/hello.txt"}
        assert "template" not in answer.metadata

    def test_a_template_may_stand_wherever_a_text_may(self, conversation, templates):
        """Seeds: V-13"""
        hello = PromptTemplate("prompts/hello.txt", {"name": "Ada"})

        conversation.add_messages(hello, AssistantMessage(hello), {"role": "system", "content": hello})

        assert said(conversation) == [(role, "Hello, Ada! Be brief.") for role in ("user", "assistant", "system")]

    def test_what_renders_to_nothing_or_is_not_there_is_refused(self, conversation, templates):
        with pytest.raises(InvalidContent):
            conversation.add_user_message(PromptTemplate(source="{{ nothing }}"))
        with pytest.raises(TemplateDoesNotExist):
            conversation.ask(PromptTemplate("prompts/none.txt"), model="demo")

        assert not Message.objects.exists()

    @pytest.mark.parametrize("given", [{}, {"name": "a.txt", "source": "b"}])
    def test_a_template_has_a_name_or_a_source(self, given):
        with pytest.raises(TypeError):
            PromptTemplate(**given)

    def test_callers_do_not_name_templates_themselves(self, conversation):
        with pytest.raises(ReservedMetadata):
            conversation.add_user_message("x", metadata={"template": "mine.txt"})


CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-6-luna",
    "choices": [
        {
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "reasoning_content": "Hm.",
                "tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}],
            },
        }
    ],
    "usage": {"prompt_tokens": 25, "completion_tokens": 15},
}
RESPONSES = {
    "id": "resp_1",
    "model": "gpt-6-luna",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city": "Oslo"}'},
    ],
    "usage": {"input_tokens": 25, "output_tokens": 15},
}
ANTHROPIC = {
    "id": "msg_1",
    "model": "claude-sonnet-5-5",
    "stop_reason": "tool_use",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "usage": {"input_tokens": 25, "output_tokens": 15},
}


def as_object(value):
    if isinstance(value, dict):
        # The input of a tool is a mapping with every library.
        return SimpleNamespace(**{key: item if key == "input" else as_object(item) for key, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


class TestResponses:
    """Seeds: C-18, C-07"""

    @pytest.mark.parametrize("form", [dict, as_object], ids=["mapping", "object"])
    @pytest.mark.parametrize("response", [CHAT, RESPONSES, ANTHROPIC], ids=["chat", "responses", "anthropic"])
    def test_a_finished_response_becomes_an_answer(self, conversation, response, form):
        """Seeds: C-18, C-07"""
        sent = as_object(response) if form is as_object else response
        conversation.add_user_message("Weather?")
        answer = conversation.add_response(sent, metadata={"topic": "weather"})

        answer.refresh_from_db()
        assert [part["type"] for part in answer.parts] == ["reasoning", "text", "tool_call"]
        assert (answer.content, answer.status, answer.finish_reason) == ("Let me look.", "complete", "tool_calls")
        assert (answer.input_tokens, answer.output_tokens, answer.model) == (25, 15, response["model"])
        figures = answer.metadata
        assert (figures["tokens"], figures["provider_request_id"]) == (40, response["id"])
        assert (figures["topic"], figures["tool_calls"], figures["streamed"]) == ("weather", 1, False)

    def test_a_text_is_a_response_and_nothing_is_none(self, conversation):
        assert conversation.add_response("Hello", model="mine").model == "mine"
        for empty in ("", None, {}, {"choices": []}, object()):
            with pytest.raises(InvalidContent):
                conversation.add_response(empty)

    async def test_async_code_may(self, conversation):
        assert (await conversation.aadd_response(CHAT)).content == "Let me look."

    def test_arguments_that_are_no_json_are_kept_as_they_are(self, conversation):
        call = {"id": "1", "function": {"name": "f", "arguments": '{"city":'}}
        answer = conversation.add_response({"choices": [{"message": {"tool_calls": [call]}}]})

        assert (answer.tool_calls[0]["arguments"], answer.tool_calls[0]["raw"]) == (None, '{"city":')


class TestToOpenAI:
    """Seeds: W-02"""

    def test_an_answer_has_choices_and_usage(self, conversation):
        """Seeds: W-02"""
        shown = conversation.add_response(CHAT).to_openai()

        (choice,) = shown["choices"]
        assert (choice["message"]["role"], choice["message"]["content"]) == ("assistant", "Let me look.")
        assert choice["message"]["tool_calls"][0]["function"]["name"] == "weather"
        assert choice["finish_reason"] == "tool_calls"
        assert shown["usage"] == {"prompt_tokens": 25, "completion_tokens": 15, "total_tokens": 40}
        assert shown["model"] == "gpt-6-luna"

    def test_what_nobody_knows_is_none_and_never_minus_one(self, conversation):
        """Seeds: W-02"""
        assert conversation.add_response("Hello").to_openai()["usage"] is None
        half = conversation.add_response({**CHAT, "usage": {"prompt_tokens": 25}}).to_openai()
        assert half["usage"] == {"prompt_tokens": 25, "completion_tokens": None, "total_tokens": None}

    def test_an_answer_that_did_not_end_properly_has_no_finish_reason(self, conversation):
        stream = conversation.start_stream().append("half")
        stream.flush()
        assert stream.message.to_openai()["choices"][0]["finish_reason"] is None
        shown = stream.fail("broken").to_openai()

        assert shown["choices"][0]["finish_reason"] is None
        assert shown["choices"][0]["message"]["content"] == "half"


class TestFinding:
    """Seeds: V-16, V-30, B-05"""

    def test_the_last_message_and_the_recent_ones(self, conversation, django_assert_num_queries):
        """Seeds: V-16, V-30"""
        assert conversation.last_message is None
        conversation.add_messages("One", {"role": "assistant", "content": "Two"}, "Three")

        with django_assert_num_queries(2):
            assert conversation.last_message.content == "Three"
            assert [message.content for message in conversation.recent(2)] == ["Two", "Three"]
        assert conversation.messages.assistant().last().content == "Two"

    async def test_the_last_message_in_async_code(self, conversation):
        await conversation.aadd_user_message("One")

        assert (await conversation.alast_message()).content == "One"

    def test_a_conversation_is_cleared_and_goes_on(self, conversation):
        """Seeds: B-05"""
        conversation.ask("One", model=ScriptedProvider(["Two"])).wait(60)
        before = conversation.add_user_message("Three")

        assert conversation.clear() == 3
        assert conversation.clear() == 0

        assert (conversation.history(), Chunk.objects.count()) == ([], 0)
        assert conversation.add_user_message("again").number > before.number

    def test_clearing_stops_a_live_answer(self, conversation):
        stream = conversation.start_stream().append("half")
        stream.flush()

        assert conversation.clear() == 1

        with pytest.raises(Exception, match="ended"):
            stream.append("more").flush()
        assert not Message.objects.exists()

    async def test_async_code_may_clear(self, conversation):
        await conversation.aadd_user_message("One")

        assert await conversation.aclear() == 1


def test_a_template_is_found_by_the_engine_of_the_site_and_no_other(conversation):
    with override_settings(TEMPLATES=[]), pytest.raises(Exception, match="DjangoTemplates"):
        conversation.add_user_message(PromptTemplate("prompts/hello.txt"))
