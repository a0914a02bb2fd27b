"""Asking: a question becomes two messages, and a runner starts on the second."""

from converse_stream.asking.again import aedit, aretry, edit, regenerate, retry
from converse_stream.asking.direct import aask, ask, check_answer
from converse_stream.asking.wishes import Wishes

__all__ = ["Wishes", "aask", "aedit", "aretry", "ask", "check_answer", "edit", "regenerate", "retry"]
