"""Under the inline runner a user's ordinary TestCase sees whole answers, without threads that touch the database."""

import asyncio
import threading

from django.contrib.auth.models import User
from django.test import AsyncClient, TestCase, override_settings
from django.urls import reverse

from converse_stream.models import Attempt, Conversation, Message, Status
from converse_stream.signals import stream_completed, stream_started
from converse_stream.testing import Follower, ScriptedProvider

INLINE = {"RUNNER": "inline", "PROVIDERS": {"demo": {"pace": 0}}}


@override_settings(CONVERSE_STREAM=INLINE)
class InlineTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = User.objects.create_user("ada", password="ada")
        cls.conversation = Conversation.objects.create(owner=cls.user)

    def test_the_test_client_reads_a_whole_streamed_answer(self) -> None:
        self.client.force_login(self.user)
        url = reverse("converse_api:message-list", args=[self.conversation.pk])

        asked = self.client.post(url, {"content": "/long 50"}, content_type="application/json")
        follower = Follower().read(self.client.get(asked.json()["stream_url"]))

        self.assertEqual(asked.status_code, 202)
        self.assertEqual(follower.text.split(), [str(number) for number in range(1, 51)])
        self.assertEqual(follower.ending, "complete")

    def test_ask_returns_with_the_answer_written(self) -> None:
        message = self.conversation.ask("hi", model=ScriptedProvider(["Hel", "lo"]))

        self.assertEqual((message.status, message.content), (Status.COMPLETE, "Hello"))
        self.assertEqual(message.wait(1).content, "Hello")
        self.assertEqual(Attempt.objects.get().outcome, "complete")

    def test_a_failing_provider_is_on_the_message_and_not_raised(self) -> None:
        with self.assertLogs("converse_stream", "ERROR"):
            message = self.conversation.ask("hi", model=ScriptedProvider(["Hel", OSError("gone")]))

        self.assertEqual((message.status, message.content, message.error_code), (Status.FAILED, "Hel", "internal"))

    def test_a_stream_by_hand_can_be_followed_while_it_is_written(self) -> None:
        stream = self.conversation.start_stream().append("one ").data("mark", 1)
        events = stream.message.follow()

        self.assertEqual([next(events).kind for _ in range(3)], ["start", "text", "data"])
        stream.append("two").complete()
        self.assertEqual([event.kind for event in events], ["text", "complete"])

    def test_what_another_thread_writes_to_a_stream_is_in_the_answer(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            stream = self.conversation.start_stream().append("main ").flush()
        thread = threading.Thread(target=lambda: stream.append("thread ").flush(), daemon=True)

        thread.start()
        thread.join(10)
        message = stream.append("main again").complete()

        self.assertEqual((message.status, message.content), (Status.COMPLETE, "main thread main again"))

    def test_signals_are_sent_with_the_commit(self) -> None:
        sent = []

        def receiver(signal, message, **_):
            sent.append((signal, message.status))

        for signal in (stream_started, stream_completed):
            signal.connect(receiver)
            self.addCleanup(signal.disconnect, receiver)

        with self.captureOnCommitCallbacks(execute=True):
            self.conversation.ask("hi", model=ScriptedProvider(["x"]))
            self.assertEqual(sent, [])

        self.assertEqual([signal for signal, _ in sent], [stream_started, stream_completed])

    async def test_async_code_works_too(self) -> None:
        async def source():
            yield "a"
            await asyncio.sleep(0)
            yield "b"

        message = await self.conversation.aask("hi", source=source())
        async with self.conversation.astart_stream() as stream:
            await stream.aappend("c")

        self.assertEqual(message.content, "ab")
        self.assertEqual("".join([event.text async for event in stream.message.afollow()]), "c")
        self.assertEqual((await message.await_ending()).status, Status.COMPLETE)

    async def test_the_async_client_reads_a_whole_streamed_answer(self) -> None:
        client = AsyncClient()
        await client.aforce_login(self.user)
        message = await self.conversation.aask("hi", source=["Hello"])

        response = await client.get(reverse("converse_api:message-stream", args=[message.pk]))

        follower = await Follower().aread(response)
        self.assertEqual((follower.text, follower.ending), ("Hello", "complete"))

    def test_interrupt_and_retry_work(self) -> None:
        first = self.conversation.ask("hi", model=ScriptedProvider(["one"]))
        again = first.retry(model=ScriptedProvider(["two"]))

        self.assertEqual((again.content, again.parent_id), ("two", first.parent_id))
        self.assertEqual(Message.objects.count(), 3)
