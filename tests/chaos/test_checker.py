"""The checker finds a byte that is lost, repeated, reordered or not stored, and a second, false or late ending."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.plan import plan
from tests.chaos.record import Answer, Blow, Call, Connection, Row, Sighting, Viewing
from tests.cluster.provider import words

LEASE = 10.0
QUESTION = "10 words"
CALL = Call("c.1", QUESTION, 10, "worker-1", at=100.0)
TEXT = "".join(words(CALL.call, CALL.count))
ROW = Row("complete", "", TEXT, "[]", len(TEXT))
KILL = Blow("worker-1", "kill", 101.0, 102.0)


def text(start: int, end: int) -> dict[str, Any]:
    return {"type": "text", "id": f"m.{end}", "start": start, "text": TEXT[start:end]}


def ending(status: str, content: str) -> dict[str, Any]:
    return {"type": status, "id": "m.end", "start": len(content), "message": {"content": content}}


def good() -> Answer:
    """Return an answer with which nothing is wrong, seen over two connections."""
    first = Connection(0, [{"type": "start", "id": "m.0", "start": 0}, text(0, 20), text(20, 40)])
    second = Connection(40, [text(40, 60), text(60, len(TEXT)), ending("complete", TEXT)])
    sightings = [Sighting(100.1, "streaming"), Sighting(103.0, "complete")]
    return Answer(QUESTION, [Viewing("sse", [first, second])], sightings, ROW, ROW, 1, [CALL])


def lost(told_at: float, **more: Any) -> Answer:
    """Return an answer whose writer was killed, with nothing wrong but perhaps the time."""
    answer, row = good(), Row("failed", "worker_lost", TEXT[:40], "[]", 40)
    _first, second = answer.viewings[0].connections
    second.events = [ending("failed", row.content)]
    return replace(answer, ended=row, last=row, sightings=[answer.sightings[0], Sighting(told_at, "failed")], **more)


def events(answer: Answer, connection: int = 0) -> list[dict[str, Any]]:
    return answer.viewings[0].connections[connection].events


def lose(answer: Answer) -> None:
    del events(answer)[1]


def lose_between_connections(answer: Answer) -> None:
    del events(answer, 1)[0]


def lose_the_end(answer: Answer) -> None:
    del events(answer, 1)[1]


def repeat(answer: Answer) -> None:
    events(answer).insert(2, text(0, 20))


def repeat_after_coming_back(answer: Answer) -> None:
    events(answer, 1).insert(0, text(20, 40))


def reorder(answer: Answer) -> None:
    events(answer)[1:] = events(answer)[:0:-1]


def invent(answer: Answer) -> None:
    events(answer)[1]["text"] = "x" + TEXT[1:20]


def mislabel(answer: Answer) -> None:
    events(answer)[1]["id"] = "m.19"


def see_no_ending(answer: Answer) -> None:
    events(answer, 1).pop()


def see_two_endings(answer: Answer) -> None:
    events(answer, 1).append(ending("complete", TEXT))


def see_text_after_the_ending(answer: Answer) -> None:
    events(answer, 1).append(text(60, len(TEXT)))


def see_another_ending(answer: Answer) -> None:
    events(answer, 1)[-1] = ending("failed", TEXT)


def see_an_ending_that_tells_another_text(answer: Answer) -> None:
    events(answer, 1)[-1]["message"]["content"] = TEXT[:-1]


def be_reset(answer: Answer) -> None:
    events(answer, 1).insert(0, {"type": "reset", "id": "m.40", "start": 40})


def be_refused(answer: Answer) -> None:
    answer.viewings[0].refusals.append("answered 404")


def end_twice(answer: Answer) -> None:
    answer.last = replace(ROW, status="failed", error_code="worker_lost")


def grow_after_the_ending(answer: Answer) -> None:
    answer.last = replace(ROW, content=TEXT + "x")


def be_answered_twice(answer: Answer) -> None:
    answer.answers = 2


def hold_what_nobody_said(answer: Answer) -> None:
    answer.calls = [replace(CALL, call="c.2")]


def be_complete_too_early(answer: Answer) -> None:
    answer.calls = [replace(CALL, count=11)]


def miscount(answer: Answer) -> None:
    answer.ended = answer.last = replace(ROW, length=1)


def never_end(answer: Answer) -> None:
    answer.ended = None


def be_cancelled_by_nobody(answer: Answer) -> None:
    answer.ended = answer.last = replace(ROW, status="cancelled")


def fail_for_no_reason(answer: Answer) -> None:
    answer.ended = answer.last = replace(ROW, status="failed", error_code="worker_lost")


FAULTS = [
    (lose, "lost the characters from 0 to 20"),
    (lose_between_connections, "lost the characters from 40 to 60"),
    (lose_the_end, f"lost the characters from 60 to {len(TEXT)}"),
    (repeat, "was sent again what begins at 0"),
    (repeat_after_coming_back, "was sent again what begins at 20"),
    (reorder, "lost the characters from 0 to 20"),
    (invent, "saw at 0 what is not stored"),
    (mislabel, "was sent the id m.19 at 20"),
    (see_no_ending, "saw no ending"),
    (see_two_endings, "was sent complete after the ending"),
    (see_text_after_the_ending, "was sent text after the ending"),
    (see_another_ending, "was told of another ending"),
    (see_an_ending_that_tells_another_text, "was told of another ending"),
    (be_reset, "was sent reset"),
    (be_refused, "answered 404"),
    (end_twice, "it has ended twice"),
    (grow_after_the_ending, "it has ended twice"),
    (be_answered_twice, "the question has 2 answers"),
    (hold_what_nobody_said, "the database holds what the provider did not say"),
    (be_complete_too_early, "it is complete, and not what the provider said"),
    (miscount, "its length is 1"),
    (never_end, "it has not ended"),
    (be_cancelled_by_nobody, "nobody asked for that"),
    (fail_for_no_reason, "it has failed with 'worker_lost' for no reason"),
]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert check(good(), [], LEASE) == []
    assert check(lost(115.9), [KILL], LEASE) == []


@pytest.mark.parametrize(("spoil", "finding"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_wrong_is_found(spoil: Callable[[Answer], None], finding: str) -> None:
    answer = good()
    spoil(answer)

    assert [one for one in check(answer, [], LEASE) if finding in one]


@pytest.mark.parametrize("deed", ["kill", "freeze past the lease"])
def test_a_late_ending_is_found(deed: str) -> None:
    death = replace(KILL, deed=deed, ended=116.0)

    assert [one for one in check(lost(116.1), [death], LEASE) if "told 15.1 s after its writer died" in one]


def test_an_answer_that_is_begun_anew_too_late_is_found() -> None:
    answer = good()
    answer.calls.append(replace(CALL, call="c.2", member="worker-2", at=117.0))
    answer.sightings = [Sighting(100.1, "streaming"), Sighting(120.0, "complete")]

    assert [one for one in check(answer, [KILL], LEASE) if "told 16.0 s after its writer died" in one]


def test_an_ending_may_be_late_by_as_long_as_those_who_look_were_hit_themselves() -> None:
    hit = Blow("web-1", "freeze", 112.0, 113.5)

    assert check(lost(116.1 + 5.4), [KILL, hit], LEASE) == []
    assert check(lost(116.1 + 5.6), [KILL, hit], LEASE) != []


@pytest.mark.parametrize("target", ["web-1", "redis", "provider"])
def test_what_hits_nobody_who_looks_or_is_over_before_the_lease_is_no_excuse(target: str) -> None:
    early = Blow(target, "kill", 104.0, 106.9 if target == "web-1" else 115.0)

    assert check(lost(116.1), [KILL, early], LEASE) != []


def test_a_seed_means_one_plan() -> None:
    assert plan(7, LEASE) == plan(7, LEASE)
    assert plan(7, LEASE) != plan(8, LEASE)
