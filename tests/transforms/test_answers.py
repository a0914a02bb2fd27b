"""Transforms with answers: into the record, or on the way to one viewer, over any transport and from any cursor."""

import threading

import pytest

from converse_stream.events import Event, Reasoning, State, Text, ToolCall, ToolResult
from converse_stream.models import Message
from converse_stream.testing import Follower, ScriptedProvider
from converse_stream.transforms import Transform, at_most_every, by_sentence, by_word, moderate, pace, redact

pytestmark = pytest.mark.django_db(transaction=True)

CARD = redact(r"\d{4}(?: \d{4}){3}", longest=19)
SAID = ["Your car", "d is 4111 1", "111 1111 11", "11. Thank", " you. Bye."]
MASKED = f"Your card is {'█' * 19}. Thank you. Bye."
PLAIN = "".join(SAID)


@pytest.fixture(params=["inline", "thread"])
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param, "POLL_INTERVAL": 0.05}


def answer(conversation, script=SAID, **options) -> Message:
    return conversation.ask("Hi!", model=ScriptedProvider(script), **options).wait(60)


class TestRecord:
    """Seeds: V-29, C-14"""

    def test_what_is_masked_never_enters_the_record(self, conversation, runner):
        """Seeds: V-29"""
        message = answer(conversation, transforms=[CARD])

        assert message.content == MASKED
        assert Follower().read(message.stream_response()).text == MASKED
        assert conversation.history()[-1].text == MASKED

    def test_the_record_may_have_words_of_another_length(self, conversation, runner):
        message = answer(conversation, transforms=[redact(r"\d{4}(?: \d{4}){3}", mask="[card]"), by_sentence()])

        assert message.content == "Your card is [card]. Thank you. Bye."
        assert message.length == len(message.content)
        assert Follower().read(message.stream_response()).text == message.content

    def test_a_hook_stops_an_answer_which_keeps_what_was_let_through(self, conversation, runner):
        """Seeds: V-29, W-03"""
        checks = [by_sentence(), moderate(lambda text, full: "Thank" not in text)]
        message = answer(conversation, transforms=checks)

        assert (message.status, message.error_code) == ("failed", "content_filter")
        assert message.content == "Your card is 4111 1111 1111 1111. "
        assert [told.role for told in conversation.history()] == ["user"]

    def test_a_hook_is_asked_about_the_tail_and_may_stop_it_too(self, conversation, runner):
        checks = [by_sentence(), moderate(lambda text, full: "Bye" not in text)]
        message = answer(conversation, transforms=checks)

        assert (message.status, message.content) == ("failed", PLAIN.removesuffix("Bye."))

    def test_a_hook_that_raises_ends_the_answer(self, conversation, runner):
        def broken(text: str, full: str) -> bool:
            raise KeyError(text)

        for checks in ([moderate(broken)], [by_sentence(), moderate(broken)]):
            message = answer(conversation, ["No full stop"], transforms=checks)
            assert (message.status, message.error_code, message.content) == ("failed", "internal", "")

    def test_an_async_hook_may_be_awaited(self, conversation, runner):
        async def check(text: str, full: str) -> bool:
            return "bad" not in text

        message = answer(conversation, ["Good. ", "Bad is bad. ", "More."], transforms=[by_sentence(), moderate(check)])

        assert (message.status, message.content) == ("failed", "Good. ")

    def test_calls_and_results_keep_their_place_and_are_masked_too(self, conversation, runner):
        script = ["See ", ToolCall("1", "pay", {"card": "4111 1111 1111 1111"}), ToolResult("1", "pay", "ok"), "you."]
        message = answer(conversation, script, transforms=[CARD, by_sentence()])

        assert [part["type"] for part in message.parts] == ["text", "tool_call", "tool_result", "text"]
        assert message.parts[1]["arguments"] == {"card": "█" * 19}
        assert message.content == "See you."

    def test_a_source_and_a_writer_of_ones_own_have_them_too(self, conversation, runner):
        message = conversation.ask("Hi!", source=iter(SAID), transforms=[CARD]).wait(60)
        with conversation.start_stream(transforms=[CARD]) as stream:
            for text in SAID:
                stream.append(text)

        assert message.content == stream.message.content == MASKED

    async def test_a_writer_in_async_code_has_them_too(self, conversation):
        async with conversation.astart_stream(transforms=[CARD]) as stream:
            for text in SAID:
                await stream.aappend(text)

        assert stream.message.content == MASKED

    def test_what_takes_its_time_is_waited_for(self, conversation, runner):
        """Seeds: F-09"""
        message = answer(conversation, ["x" * 100], transforms=[pace(400), at_most_every(0.1)])

        assert (message.status, message.content) == ("complete", "x" * 100)
        assert message.duration > 0.1

    def test_the_tail_of_a_failed_answer_is_kept(self, conversation, runner):
        """Seeds: C-14"""
        message = answer(conversation, ["Half a sent", KeyError("x")], transforms=[by_sentence()])

        assert (message.status, message.content) == ("failed", "Half a sent")

    def test_a_providers_blob_for_words_that_were_changed_is_not_sent_back(self, conversation, runner):
        script = [Reasoning("4111 1111 1111 1111"), State("reasoning", "signed"), Text("x")]
        masked = answer(conversation, script, transforms=[CARD])
        cut = answer(conversation, script, transforms=[by_sentence()])

        assert "state" not in masked.parts[0]
        assert cut.parts[0]["state"][0]["data"] == "signed"

    def test_the_builder_takes_them(self, conversation, runner):
        """Seeds: C-14"""
        question = conversation.prompt("Hi!").using(ScriptedProvider(SAID))

        assert question.with_transforms(CARD).with_transforms(by_sentence()).text() == MASKED
        assert question.text() == PLAIN


class TestViewer:
    """Seeds: C-14, C-15"""

    def test_one_viewer_sees_sentences_and_the_others_what_was_said(self, conversation, runner):
        """Seeds: C-14"""
        message = answer(conversation)

        found = [event.data for event in message.follow(through=[by_sentence()]) if event.kind == "text"]

        assert found == ["Your card is 4111 1111 1111 1111. ", "Thank you. ", "Bye."]
        assert "".join(event.text for event in message.follow()) == PLAIN

    @pytest.mark.parametrize("through", [[by_sentence()], [CARD], [CARD, by_word()], [by_word(), at_most_every(0.01)]])
    def test_a_viewer_may_leave_and_come_back_anywhere(self, conversation, runner, through):
        """Seeds: C-14, C-15"""
        message = answer(conversation)
        expected = MASKED if CARD in through else PLAIN

        for cut in range(len(PLAIN) + 1):
            seen = Follower(f"{message.pk}.{cut}").read(message.stream_response(after=cut, through=through))
            assert seen.text == expected[cut:]
            assert (seen.ending, seen.message["content"]) == ("complete", expected)

    def test_a_viewer_of_a_masked_answer_never_gets_the_rest_of_a_secret(self, conversation, runner):
        """Seeds: V-29"""
        message = answer(conversation)

        for cut in range(len(PLAIN)):
            body = b"".join(message.stream_response(after=cut, through=[CARD]))
            assert b"4111 " not in body and b" 1111" not in body  # ids and dates hold no spaces

    def test_a_cursor_nobody_gave_out_begins_anew_with_what_may_be_seen(self, conversation, runner):
        message = answer(conversation)

        seen = Follower(f"{message.pk}.900").read(message.stream_response(after=900, through=[CARD]))

        assert (seen.text, seen.ending) == (MASKED, "complete")

    def test_a_live_answer_is_shown_in_sentences_as_they_are_whole(self, conversation):
        """Seeds: C-14"""
        pause = threading.Event()
        message = conversation.ask("Hi!", model=ScriptedProvider(["One. Tw", pause, "o. Three"]))
        events = message.follow(through=[by_sentence()], timeout=60)

        found = [next(events), next(events)]
        pause.set()
        found += events

        assert [event.text for event in found if event.kind == "text"] == ["One. ", "Two. ", "Three"]
        assert found[-1].kind == "complete"

    async def test_async_viewers_have_them_too(self, conversation):
        """Seeds: C-15, F-09"""
        message = await (await conversation.aask("Hi!", model=ScriptedProvider(SAID))).await_ending(10)
        through = [CARD, by_sentence(), pace(2000), at_most_every(0.02)]

        found = [event async for event in message.afollow(through=through)]
        seen = await Follower().aread(message.stream_response(through=through))

        assert "".join(event.text for event in found) == seen.text == MASKED
        assert found[-1].kind == seen.ending == "complete"

    def test_a_viewer_is_stopped_and_the_answer_goes_on(self, conversation, runner):
        """Seeds: V-29"""
        message = answer(conversation)
        through = [by_sentence(), moderate(lambda text, full: "Thank" not in text)]

        seen = Follower().read(message.stream_response(through=through))

        assert (seen.ending, seen.error["code"]) == ("failed", "content_filter")
        assert seen.text == "Your card is 4111 1111 1111 1111. "
        message.refresh_from_db()
        assert message.status == "complete"

    @pytest.mark.parametrize("dialect", ["text", "converse", "ai-sdk", "openai"])
    def test_every_dialect_shows_what_may_be_seen(self, conversation, runner, dialect):
        message = answer(conversation)

        body = b"".join(message.stream_response(dialect=dialect, through=[CARD]))

        assert b"4111 1111" not in body  # four digits alone may be in a time

    def test_asking_and_showing_go_together(self, conversation, runner):
        """Seeds: C-14"""
        model = ScriptedProvider(SAID)

        response = conversation.stream_response("Hi!", model=model, through=[CARD])
        assert Follower().read(response).text == MASKED
        events = list(conversation.prompt("Hi!").using(model).stream(through=[CARD]))

        assert "".join(event.text for event in events) == MASKED
        assert conversation.last_message.content == PLAIN

    def test_who_waits_for_a_paced_answer_is_sent_heartbeats(self, conversation, settings):
        settings.CONVERSE_STREAM = {"SSE_HEARTBEAT": 0.05}
        message = answer(conversation)

        body = b"".join(message.stream_response(through=[at_most_every(0.3)]))

        assert Follower().read([body]).text == PLAIN

    @pytest.mark.parametrize("wrong", [[redact("x", mask="[x]")], [by_sentence], "by_sentence"])
    def test_what_cannot_be_shown_is_refused_before_anything_is_asked(self, conversation, wrong):
        with pytest.raises(TypeError):
            conversation.stream_response("Hi!", model="demo", through=wrong)

        assert not Message.objects.exists()

    def test_a_transform_that_changes_the_length_is_found_out(self, conversation, runner):
        class Longer(Transform):
            def text(self, event):
                yield Event(event.message_id, event.kind, event.start, event.end, event.data * 2)

        with pytest.raises(ValueError, match="length"):
            list(answer(conversation).follow(through=[Longer()]))


@pytest.mark.parametrize("wrong", [[by_sentence], by_sentence(), "by_sentence", [None]])
def test_what_is_no_transform_is_refused_before_anything_is_written(conversation, wrong):
    with pytest.raises(TypeError):
        conversation.ask("Hi!", model="demo", transforms=wrong)
    with pytest.raises(TypeError):
        conversation.start_stream(transforms=wrong)

    assert not Message.objects.exists()
