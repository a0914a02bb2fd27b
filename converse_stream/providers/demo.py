"""The provider `demo`: no key, no network, but worth talking to.

It answers from numbered passages in the system prompt, `[1] heading` on a line above each, and quotes them with their
numbers; without any, from demo.md, which lies beside it.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from math import log
from operator import itemgetter
from pathlib import Path
from typing import Any

from converse_stream.events import Delta, Finish, Reasoning, Text, Usage
from converse_stream.exceptions import ServerError
from converse_stream.prompts import Prompt
from converse_stream.providers.base import Provider
from converse_stream.providers.options import COMMON, OF_THE_CALL, SAMPLING
from converse_stream.providers.options import check as check_options
from converse_stream.values import is_number

_COMMAND = re.compile(r"\s*/(slow|fail|long|think|silent)\b\s*(.*)", re.DOTALL | re.IGNORECASE)
_GREETING = re.compile(
    r"\W*(hi|hello|hey|thanks|thank you|good (morning|day|evening))\b(\W*\w+){0,2}\W*", re.IGNORECASE
)
_PASSAGE = re.compile(r"^\[(\d+)\] (.+)\n((?:(?!\[\d+\] ).*\n?)*)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
LONGEST = 3600
_FILLERS = """
    a about all an and any are as be but by can converse_stream converse do does explain for from get give has have how
    i if in into is it its like me my of on one or please show so tell that the then there this to us use using want was
    we what when where which who why will with work you your
"""


class Demo(Provider):
    """Answers questions about converse_stream, and obeys /slow, /fail, /long N, /think and /silent."""

    default_model = "demo"
    config_keys = frozenset({"pace", "silence"})

    def __init__(
        self,
        name: str,
        model: str = "",
        *,
        options: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, model, options=options, config=config)
        self.pace = self._seconds("pace", 1 / 30)
        """Seconds per word; /slow takes twelve times as long."""
        self.silence = self._seconds("silence", 60)
        """Seconds after which /silent ends."""

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise InvalidOptions for an option that nobody has; of all others it makes nothing."""
        check_options(options, SAMPLING | COMMON | OF_THE_CALL, self.name)

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the answer to the last user message, word by word."""
        question = next((message.text for message in reversed(prompt.messages) if message.role == "user"), "")
        match = _COMMAND.match(question)
        command, rest = (match[1].lower(), match[2]) if match else ("", question)
        if command == "silent":
            await asyncio.sleep(self.silence)
        told = "\n".join(message.text for message in prompt.messages if message.role == "system")
        said = 0
        for delta in _said(command, rest, told):
            await asyncio.sleep(self.pace * (12 if command == "slow" else 1))
            said += 1
            yield delta
        if command == "fail":
            raise ServerError("the demo provider was asked to fail")
        yield Usage(sum(len(message.text.split()) for message in prompt.messages), said)
        yield Finish("stop")

    def _seconds(self, key: str, default: float) -> float:
        value = self.config.get(key, default)
        if not is_number(value, 0, LONGEST):
            raise ValueError(f"{key} must be a number of seconds from 0 to {LONGEST}")
        return float(value)


def _said(command: str, rest: str, told: str) -> Iterator[Text | Reasoning]:
    if command == "silent":
        return iter(())
    if command == "long":
        count = re.match(r"\d{1,9}", rest)
        return (Text(f"{number} ") for number in range(1, int(count[0] if count else 100) + 1))
    if command == "fail":
        return map(Text, _words("This answer begins well enough, but you asked it to"))
    thoughts = f"The question is {rest or 'empty'!r}. The manual may know: {', '.join(_best(rest)) or 'nothing'}."
    return chain(map(Reasoning, _words(thoughts) if command == "think" else ()), map(Text, _words(answer(rest, told))))


def answer(question: str, told: str = "") -> str:
    """Return what the passages that a system prompt has `told` say to a question, or else demo.md, as Markdown."""
    passages = _PASSAGE.findall(told)
    if passages:
        return quoted(question, passages)
    if not _keys(question) or _GREETING.fullmatch(question):
        return next(iter(sections().values()))
    best = _best(question)
    if not best:
        known = "\n".join(f"- {heading}" for heading in list(sections())[1:])
        return f"I only know converse_stream, and found nothing about that. You can ask me about:\n\n{known}"
    also = f"\n\nSee also: {', '.join(best[1:])}." if best[1:] else ""
    return f"{sections()[best[0]]}{also}"


def quoted(question: str, passages: Sequence[tuple[str, str, str]]) -> str:
    """Return the sentences of up to three passages (number, heading, text) that share the most with a question."""
    keys = set(_keys(question))
    found: list[tuple[int, str]] = []
    for number, heading, text in passages:
        sentences = [line.strip() for line in re.sub(r"^```.*?^```", "", text, flags=re.M | re.S).splitlines()]
        prose = [sentence for sentence in sentences if sentence[:1].isalpha()]
        best = max(prose, key=lambda sentence: len(keys & set(_keys(sentence))), default="")
        score = len(keys & set(_keys(f"{heading} {best}")))
        if best and score:
            without_links = _LINK.sub(r"\1", best)
            found.append((score, f"{without_links} [{number}]"))
    found.sort(key=itemgetter(0), reverse=True)
    return "\n\n".join(quotation for _score, quotation in found[:3]) or "The passages do not answer this."


def _best(question: str) -> list[str]:
    """Return the headings of up to three sections that share the most with a question; rare words weigh more."""
    keys = {heading: set(_keys(text)) for heading, text in list(sections().items())[1:]}
    spread = Counter(chain.from_iterable(keys.values()))
    scores: defaultdict[str, float] = defaultdict(float)
    for heading, known in keys.items():
        for key in set(_keys(question)) & known:
            scores[heading] += log(1 + len(keys) / spread[key]) * (3 if key in _keys(heading) else 1)
    ranked = sorted(scores.items(), key=itemgetter(1), reverse=True)[:3]
    return [heading for heading, score in ranked if score >= ranked[0][1] / 2]


def _keys(text: str) -> list[str]:
    """Return the words that tell texts apart, without their endings: stop, stops and stopping are one."""
    words = [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in _FILLERS.split()]
    return [re.sub(r"(.)\1$", r"\1", re.sub(r"(?<=\w{3})(ing|ed|es|s|e)$", "", word)) for word in words]


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


@cache
def sections() -> Mapping[str, str]:
    """Return the sections of demo.md by heading, in order; the first one is the greeting."""
    text = Path(__file__).with_name("demo.md").read_text(encoding="utf-8")
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].removeprefix("## "): part.strip() for part in parts}
