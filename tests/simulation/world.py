"""The simulated world: processes that write, look and follow, and everything that may befall them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection
from django.utils import timezone

from converse_stream.models import Attempt, Chunk, Conversation, Message, deletion, opening
from converse_stream.models.claims import claim, enqueue
from converse_stream.models.leases import recover
from converse_stream.recorder import Outbox, Statements, fill_in
from tests.simulation import oracle
from tests.simulation.line import Killed, Line
from tests.simulation.onlookers import Onlooker, Viewing
from tests.simulation.oracle import Answer, Writing
from tests.simulation.processes import Network, Process, Queue


class World:
    """What the rules of the simulation do."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.processes = Process.start(3)
        self.answers: list[Answer] = []
        self.onlookers: list[Onlooker] = []
        self._ids = 0
        line.begin(self.observe)
        Network.under_way.clear()
        Queue.sent.clear()

    @property
    def present(self) -> list[Answer]:
        return [answer for answer in self.answers if not answer.is_deleted]

    @property
    def writings(self) -> list[tuple[Answer, Writing]]:
        """What is being written by a process that is there."""
        found = [(answer, one) for answer in self.answers for one in answer.writings]
        return [(answer, one) for answer, one in found if one.process in self.processes]

    @property
    def speaking(self) -> list[tuple[Answer, Writing]]:
        return [(answer, one) for answer, one in self.writings if not one.outbox.is_closed]

    # Answers.

    def begin(self, process: Process, beside: Answer | None, *, waits: bool) -> None:
        """Begin an answer, in a new conversation or in that of another answer, which is stopped for it."""
        with process.at_work():
            before = Conversation.objects.filter(pk=beside.conversation_id).first() if beside else None
            conversation = before or Conversation.objects.create(pk=self._new_id())
            message = opening.live(provider="", model="", metadata={})
            message.pk = self._new_id()
            if waits:
                enqueue(message, {})
            if before:
                self._interrupted(before)
            opening.insert(conversation, [message], interrupt=True)
            answer = Answer(message.pk, conversation.pk)
            self.answers.append(answer)
            if waits:
                Queue.sent.append(str(message.pk))
            else:
                self._write(process, answer, message)

    def _interrupted(self, conversation: Conversation) -> None:
        for answer in self.answers:
            if answer.conversation_id == conversation.pk and answer.ending is None and not answer.is_deleted:
                answer.stops += 1

    def _write(self, process: Process, answer: Answer, message: Message) -> None:
        outbox = Outbox(message)
        process.recorder.open(outbox)
        answer.writings.append(Writing(process, outbox, number=len(self.writings)))

    def deliver(self, process: Process, index: int, *, again: bool) -> None:
        """Give a worker a task, or one that another one has had."""
        message_id = Queue.sent[index] if again else Queue.sent.pop(index)
        answer = next(one for one in self.answers if str(one.message_id) == message_id)
        is_there = not (answer.is_deleted or answer.stored or answer.ending)
        with process.at_work():
            message = claim(message_id)
            if message is not None:
                assert is_there
                self._write(process, answer, message)

    def take_over(self, first: Process, second: Process) -> None:
        """Hold up a worker before its first words; when it goes on, another one has begun the answer anew."""
        self.begin(first, None, waits=True)
        answer = self.answers[-1]
        self.deliver(first, len(Queue.sent) - 1, again=False)
        self.expire(answer, 31)
        self.recover(second)
        self.deliver(second, len(Queue.sent) - 1, again=False)
        assert len(answer.writings) == 2, "an answer that nobody has begun is not begun anew"
        oracle.happened["taken over"] += 1

    def say(self, writing: Writing, kind: str, length: int) -> None:
        writing.say(kind, length)
        writing.process.recorder.note(writing.outbox)

    def end(self, writing: Writing, status: str) -> None:
        writing.end(status)
        writing.process.recorder.note(writing.outbox)

    def write(self, process: Process, fault: str = "") -> None:
        """Let the recorder commit."""
        self.line.fault = fault
        try:
            with process.at_work():
                process.recorder.write()
        except Killed:
            self.crash(process)
        self.line.calm()
        self._note_endings()

    def look(self, process: Process) -> None:
        with process.at_work():
            process.recorder.look()

    def publish(self, process: Process) -> None:
        with process.at_work():
            process.recorder.publish()

    def fill_in(self, writing: Writing) -> None:
        """Give a message that was stopped its writer's figures."""
        with writing.process.at_work():
            fill_in(writing.outbox, {"output_tokens": len(writing.said)})

    def _note_endings(self) -> None:
        for answer, one in self.writings:
            if one.outbox.ended_as and "writer" not in answer.ended_by:
                answer.ended_by.append("writer")

    # What befalls them.

    def crash(self, process: Process) -> None:
        """Lose a process with everything in its memory; another one is started."""
        for onlooker in self.onlookers:
            if onlooker.process is process:
                onlooker.leave()
        process.replace()

    def expire(self, answer: Answer, seconds: float) -> None:
        """Let a lease have run out: its writer is frozen, or gone."""
        answer.is_expired = True
        before = timezone.now() - timedelta(seconds=seconds)
        rows = Message.objects.filter(pk=answer.message_id, lease_expires_at__isnull=False)
        rows.update(lease_expires_at=before)
        self.observe()

    def recover(self, process: Process, *, is_later: bool = False) -> None:
        """Look for writers that are gone."""
        with process.at_work(is_later=is_later):
            for pk in recover():
                self._answer(pk).ended_by.append("recovery")

    def stop(self, process: Process, answer: Answer, fault: str = "") -> None:
        message = Message.objects.filter(pk=answer.message_id).first()
        if message is None:
            return
        self.line.fault = fault
        answer.stops += 1
        try:
            with process.at_work():
                if message.cancel():
                    answer.ended_by.append("stop")
        except (OperationalError, Message.DoesNotExist):
            pass  # nobody knows what has come of it, or it is deleted
        except Killed:
            self.crash(process)
        self.line.calm()

    def delete(self, process: Process, answer: Answer, *, whole: bool) -> None:
        """Delete a conversation, or its messages."""
        for one in self.answers:
            one.is_deleted |= one.conversation_id == answer.conversation_id
        conversation = Conversation.objects.filter(pk=answer.conversation_id).first()
        with process.at_work():
            if conversation is not None and whole:
                conversation.delete()
            elif conversation is not None:
                deletion.clear(conversation)

    def prune(self, answer: Answer) -> None:
        """Delete chunks that are past their time."""
        long_ago = timezone.now() - timedelta(hours=2)
        Message.objects.filter(pk=answer.message_id, finished_at__isnull=False).update(finished_at=long_ago)
        Statements("default").prune()

    # Viewers.

    def join(self, process: Process, answer: Answer, position: int) -> None:
        onlooker = Onlooker(Viewing(answer, position))
        self.onlookers.append(onlooker)
        self.come_back(process, onlooker)

    def come_back(self, process: Process, onlooker: Onlooker) -> None:
        oracle.happened["come back"] += bool(onlooker.viewing.seen)
        with process.at_work():
            onlooker.join(process)

    def view(self, onlooker: Onlooker, most: int = 1_000_000) -> bool:
        assert onlooker.process
        with onlooker.process.at_work():
            return onlooker.look(most)

    def read(self, process: Process, *, polls: bool, looks_at_leases: bool = False) -> None:
        with process.at_work():
            process.reader.read(polls=polls, looks_at_leases=looks_at_leases)

    # The promises.

    def check(self) -> None:
        for trouble in self.line.troubles:
            raise trouble
        self.observe()
        for onlooker in self.onlookers:
            onlooker.check()

    def observe(self) -> None:
        """Look at the database, if anything was written."""
        if self.line.has_written:
            self.line.has_written = False
            with self.line.undisturbed():
                oracle.read(self.answers)

    def settle(self) -> None:
        """Let everything come to its end, without a hint: nothing may be left behind."""
        Network.under_way.clear()
        self._end_all()
        self.check()
        oracle.counted(self.answers)
        for answer in self.present:
            assert answer.ending, "an answer does not end"
            for writing in answer.writings:
                if writing.process in self.processes:
                    writing.check(answer.ending)
        assert not Chunk.objects.exclude(message__in=Message.objects.all()).exists(), "chunks without a message"
        for answer in self.present:
            self.join(self.processes[0], answer, len(answer.stored) // 2)
        for onlooker in self.onlookers:
            self._see_the_end(onlooker)
        self.check()

    def _end_all(self) -> None:
        for process in self.processes:
            self.write(process)
            self.look(process)
            self.publish(process)
        self.check()
        for answer, writing in self.writings:
            answer.check_progress(writing)
        for _ in range(10):
            live = [answer for answer in self.present if not answer.ending]
            for answer in live:
                self.expire(answer, 31)
            if live:
                self.recover(self.processes[0])
                self.check()
        for process in self.processes:
            self.look(process)

    def _see_the_end(self, onlooker: Onlooker) -> None:
        for turn in range(20):
            if onlooker.is_over:
                break
            process = onlooker.process
            if process is None:
                self.come_back(self.processes[turn % 3], onlooker)
            elif not self.view(onlooker):
                self.read(process, polls=True)
        assert onlooker.is_over, "a viewer does not see the end"
        if not onlooker.viewing.answer.is_deleted:
            assert onlooker.viewing.seen == onlooker.viewing.answer.stored[onlooker.viewing.origin :]

    def _new_id(self) -> UUID:
        """Return an id that is the same when the run is run again."""
        self._ids += 1
        return UUID(int=self._ids)

    def _answer(self, pk: Any) -> Answer:
        return next(answer for answer in self.answers if answer.message_id == pk)

    @staticmethod
    def forget() -> None:
        """Empty the tables."""
        with connection.cursor() as cursor:
            for model in (Chunk, Attempt, Message, Conversation):
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
