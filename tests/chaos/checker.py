"""Compare what viewers saw, what the database holds and what the provider said. What is wrong is told in sentences."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from converse_stream.events import ENDINGS
from tests.chaos.record import Answer, Blow, Call, Row, Viewing
from tests.cluster.provider import words

TOLD_WITHIN = 15.0
LEASE_LASTS = 0.6
"""The part of its lease that a writer has left at least, whenever it dies: nobody has anything to see before."""
LOOKS_AGAIN = 4.0
"""What whoever looks after lost answers may begin anew, when it is hit itself: two sights three seconds apart."""
DEADLY = ("kill", "freeze past the lease")
ONLOOKERS = ("web", "worker", "postgres")
REASONS = {
    "worker_lost": {("worker", "kill"), ("worker", "freeze past the lease")},
    "shutdown": {("worker", "restart")},
    "connection": {("provider", ""), ("provider wire", "")},
    "truncated": {("provider", ""), ("provider wire", "")},
}
"""What may end an answer with which error: a target, and its deed unless any will do."""


def check(answer: Answer, blows: Sequence[Blow], lease: float) -> list[str]:
    """Return what is wrong with an answer."""
    row = answer.ended
    if row is None:
        return [f"{answer.question}: it has not ended"]
    wrong = [
        *_ending(answer, row, blows),
        *_ending(answer, row, blows),
        *_said(answer, row),
        *_said(answer, row),
        *(f"{viewing.kind}: {sentence}" for viewing in answer.viewings for sentence in _seen(viewing, row)),
        *(f"told {took:.1f} s after its writer died" for took, bound in deaths(answer, blows, lease) if took > bound),
    ]
    if wrong:
        wrong.append(f"it was {answer.sightings}; asked were {answer.calls}; it is {row.status} {row.error_code}")
    return [f"{answer.question}: {sentence}" for sentence in wrong]


def _ending(answer: Answer, row: Row, blows: Sequence[Blow]) -> Iterator[str]:
    if answer.last != row:
        yield f"it has ended twice: {row}, then {answer.last}"
    if answer.answers != 1:
        yield f"the question has {answer.answers} answers"
    if row.status == "cancelled" and not answer.was_stopped:
        yield "it is cancelled, and nobody asked for that"
    if row.status == "failed" and not _excused(row.error_code, blows):
        yield f"it has failed with {row.error_code!r} for no reason"


def _excused(code: str, blows: Sequence[Blow]) -> bool:
    hit = {(blow.target.partition("-")[0], blow.deed) for blow in blows}
    hit |= {(target, "") for target, _ in hit}
    return bool(REASONS.get(code, set()) & hit)


def _said(answer: Answer, row: Row) -> Iterator[str]:
    """The text is one call's, from its first word on, and all of it where the answer is complete."""
    said = ["".join(words(call.call, call.count)) for call in answer.calls]
    if row.status == "complete" and row.content not in said:
        yield f"it is complete, and not what the provider said: {row.content[-80:]!r}"
    if not any(one.startswith(row.content) for one in ["", *said]):
        yield f"the database holds what the provider did not say: {row.content[-80:]!r}"
    if len(row.content) != row.length:
        yield f"its length is {row.length}, and it has {len(row.content)} characters"


def _seen(viewing: Viewing, row: Row) -> Iterator[str]:
    """Every character once, in order, as it is stored, over all connections; then one ending, and nothing more."""
    yield from viewing.refusals
    position, has_ended = 0, False
    for connection in viewing.connections:
        if connection.after != position:
            yield f"came back at {connection.after}, having seen {position}"
        for event in connection.events:
            if has_ended:
                yield f"was sent {event['type']} after the ending"
            yield from _event(event, position, row)
            position = event["start"] + len(event.get("text", ""))
            has_ended = has_ended or event["type"] in ENDINGS
    if not has_ended:
        yield "saw no ending"
    if position != len(row.content):
        yield f"saw {position} characters of {len(row.content)}"


def _event(event: dict[str, Any], position: int, row: Row) -> Iterator[str]:
    kind, start = event["type"], event["start"]
    if start > position:
        yield f"lost the characters from {position} to {start}"
    if start < position:
        yield f"was sent again what begins at {start}, having seen {position}"
    if kind == "text":
        yield from _text(event, start, row)
    elif kind in ENDINGS:
        told = kind, event["message"]["content"]
        if told != (row.status, row.content):
            yield f"was told of another ending: {kind}, {len(told[1])} characters"
    elif kind != "start" or position:
        yield f"was sent {kind} at {position}"


def _text(event: dict[str, Any], start: int, row: Row) -> Iterator[str]:
    text, end = event["text"], start + len(event["text"])
    if row.content[start:end] != text:
        yield f"saw at {start} what is not stored: {text[:80]!r}"
    if event["id"].rpartition(".")[2] != str(end):
        yield f"was sent the id {event['id']} at {end}"


def deaths(answer: Answer, blows: Sequence[Blow], lease: float) -> Iterator[tuple[float, float]]:
    """Yield, for each death of its writer, after how many seconds it had ended or begun anew, and how many it may take.

    More than TOLD_WITHIN only while those were hit who look after it.
    """
    for call in answer.calls:
        fatal = [blow for blow in blows if blow.target == call.member and _kills(blow) and blow.began > call.at]
        for blow in sorted(fatal, key=lambda blow: blow.began)[:1]:
            told_at, others = _told_at(answer, call), [other for other in blows if other is not blow]
            if told_at > blow.began:
                yield told_at - blow.began, TOLD_WITHIN + _delay(others, blow.began + LEASE_LASTS * lease, told_at)


def _kills(blow: Blow) -> bool:
    return blow.deed in DEADLY


def _told_at(answer: Answer, call: Call) -> float:
    """Return when a call was first seen to be written down no longer: its message waits or has ended, or asks anew."""
    seen = [sighting.at for sighting in answer.sightings if sighting.at > call.at and sighting.status != "streaming"]
    return min([*seen, *(other.at for other in answer.calls if other.at > call.at)], default=0.0)


def _delay(blows: Iterable[Blow], expires_at: float, told_at: float) -> float:
    """Return how long those who look were hindered, after the writer's lease may have run out."""
    hit = [blow for blow in blows if blow.target.startswith(ONLOOKERS)]
    hit = [blow for blow in hit if blow.began < told_at and blow.ended > expires_at]
    return sum(min(blow.ended, told_at) - max(blow.began, expires_at) + LOOKS_AGAIN for blow in hit)
