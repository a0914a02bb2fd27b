"""Processes that race: told what to do by lines, they tell what came of it by lines.

The one that writes forks for each answer, so that a race costs no start of Python.
"""

import os
import signal
import sys
import time

from converse_stream.exceptions import StreamClosed
from converse_stream.models import Conversation, Message

FIRST = "So far, "
REST = ("so good; ", "and so on, ", "and so on, ", "to the end.")


def write(conversation_id: str) -> None:
    """Begin an answer in a process of its own, say so, go on, complete it and say what it was told."""
    if os.fork():
        return
    stream = Conversation.objects.get(pk=conversation_id).start_stream()
    stream.append(FIRST).flush()
    _tell(os.getpid(), stream.message.pk)
    try:
        for piece in REST[:-1]:
            stream.append(piece).flush()
        _tell(stream.append(REST[-1]).complete().status)
    except StreamClosed:
        _tell("closed")
    os._exit(0)


def stop(message_id: str, seconds: str) -> None:
    """Stop an answer after so many seconds, and say whether that ended it."""
    time.sleep(float(seconds))
    _tell(Message.objects.get(pk=message_id).cancel())


def race(what: str) -> None:
    """Do as each line says, until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    act = {"write": write, "stop": stop}[what]
    for line in sys.stdin:
        act(*line.split())


def _tell(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())
