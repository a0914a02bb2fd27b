"""Who may do what over a socket: every action, every kind of person; and what happens to those who may no longer."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone

from converse_stream.access import Claim, losses, signing_session
from converse_stream.access.rounds import _rounds
from converse_stream.consumers.frames import ACTIONS
from converse_stream.models import Conversation, Message
from tests.consumers.conftest import Socket
from tests.cost.ledger import ledger
from tests.records import Echo, person

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = ("anonymous", "stranger", "staff", "owner")
OWN = ("4401", "not_found", "not_found", "reply")
MATRIX = {
    "ping": ("4401", "pong", "pong", "pong"),
    "follow": OWN,
    "unfollow": ("4401", "reply", "reply", "reply"),  # ends what this socket follows, if it does
    "watch": OWN,
    "unwatch": ("4401", "reply", "reply", "reply"),
    "ask": OWN,
    "retry": OWN,
    "regenerate": OWN,
    "cancel": OWN,
}
CASES = [
    pytest.param(kind, role, answer, id=f"{kind} {role}")
    for kind, answers in MATRIX.items()
    for role, answer in zip(ROLES, answers, strict=True)
]
QUICK = 0.05


@pytest.fixture(autouse=True)
def echo(settings):
    settings.CONVERSE_STREAM = {"PROVIDERS": {"echo": Echo("echo")}, "DEFAULT_MODEL": "echo"}


@pytest.fixture
def asked(conversation) -> Message:
    return conversation.ask("one two").wait(60)


def about(kind: str, asked: Message) -> dict[str, str]:
    if kind == "ask":
        return {"conversation": str(asked.conversation_id), "content": "Hi"}
    return {"conversation": str(asked.conversation_id)} if kind.endswith("watch") else {"message": str(asked.pk)}


def test_every_action_is_in_the_matrix():
    assert set(MATRIX) == ACTIONS


@pytest.mark.parametrize(("kind", "role", "answer"), CASES)
async def test_only_the_owner_gets_in(owner, stranger, asked, kind, role, answer):
    staff = await sync_to_async(person)("staff", is_staff=True)
    people = {"anonymous": AnonymousUser(), "stranger": stranger, "staff": staff, "owner": owner}
    socket = Socket(people[role])
    await socket.connect(timeout=60)

    await socket.say(kind, **about(kind, asked), id=1)
    if answer == "4401":
        assert (await socket.is_closed_with())[0] == 4401
    else:
        frame = await socket.hear()
        assert frame.get("code", frame["type"]) == answer
    await socket.disconnect(timeout=60)

    if answer != "reply":
        assert await Message.objects.acount() == 2


@pytest.mark.parametrize("kind", [kind for kind in sorted(MATRIX) if MATRIX[kind] == OWN])
@pytest.mark.parametrize("gone", ["deleted", "given away"])
async def test_what_is_gone_is_gone_for_its_owner_too(connect, asked, stranger, kind, gone):
    change = {"deleted_at": timezone.now()} if gone == "deleted" else {"owner": stranger}
    await Conversation.objects.filter(pk=asked.conversation_id).aupdate(**change)
    socket = await connect()

    await socket.say(kind, **about(kind, asked))

    assert (await socket.hear())["code"] == "not_found"


# Those who were let in, and may stay no longer.


async def signed_in(owner) -> SessionStore:
    client = Client()
    await sync_to_async(client.force_login)(owner)
    return SessionStore(client.cookies["sessionid"].value)


async def log_out(owner, session):
    await sync_to_async(SessionStore(session.session_key).flush)()


async def let_expire(owner, session):
    model = SessionStore.get_model_class()
    await model.objects.filter(session_key=session.session_key).aupdate(expire_date=timezone.now())


async def sign_in_as_another(owner, session):
    another = SessionStore(session.session_key)
    user = await sync_to_async(person)("another")
    await sync_to_async(another.__setitem__)("_auth_user_id", str(user.pk))
    await sync_to_async(another.save)()


async def change_password(owner, session):
    owner = await get_user_model().objects.aget(pk=owner.pk)
    owner.set_password("another")
    await owner.asave()


async def shut_out(owner, session):
    await get_user_model().objects.filter(pk=owner.pk).aupdate(is_active=False)


async def delete_user(owner, session):
    await get_user_model().objects.filter(pk=owner.pk).adelete()


@pytest.mark.parametrize(
    "leave", [log_out, let_expire, sign_in_as_another, change_password, shut_out, delete_user], ids=lambda f: f.__name__
)
async def test_a_socket_ends_soon_after_its_user_is_signed_out(connect, owner, leave):
    session = await signed_in(owner)
    socket = await connect(session=session, access_interval=QUICK)
    assert await socket.hears_nothing_before_the_pong()

    await leave(owner, session)

    assert await socket.is_closed_with() == (4401, "signed out")


async def test_sockets_that_come_and_go_leave_nothing_behind(owner):
    for user in (owner, AnonymousUser(), owner):
        first, second = Socket(user), Socket(owner)
        await first.connect(timeout=60)
        await second.connect(timeout=60)
        assert asyncio.get_running_loop() in {loop for loop, _tick in _rounds}
        await first.disconnect(timeout=60)
        await second.disconnect(timeout=60)

        assert asyncio.get_running_loop() not in {loop for loop, _tick in _rounds}


async def test_who_stays_signed_in_stays(connect, owner, conversation):
    session = await signed_in(owner)
    leaving, staying = [await connect(session=session, access_interval=QUICK), await connect(access_interval=QUICK)]
    stream = await conversation.astart_stream()
    await staying.say("follow", stream.message)
    await staying.hear()

    await log_out(owner, session)
    await leaving.is_closed_with()  # a round has been made
    await stream.aappend("on")

    assert (await staying.hear())["text"] == "on"
    await stream.acomplete()


async def give_away(conversation, stranger):
    await Conversation.objects.filter(pk=conversation.pk).aupdate(owner=stranger)


async def mark_as_deleted(conversation, stranger):
    await Conversation.objects.filter(pk=conversation.pk).aupdate(deleted_at=timezone.now())


async def delete(conversation, stranger):
    await Conversation.objects.filter(pk=conversation.pk).adelete()


@pytest.mark.parametrize("lose", [give_away, mark_as_deleted, delete], ids=lambda f: f.__name__)
async def test_who_loses_a_conversation_hears_no_more_of_it(connect, conversation, stranger, lose):
    socket = await connect(access_interval=QUICK)
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message, id="f")
    await socket.hear_until("start")

    await lose(conversation, stranger)
    refusal = await socket.hear()

    assert (refusal["code"], refusal["id"]) == ("not_found", "f")
    assert (refusal["request"]["type"], refusal["request"]["message"]) == ("follow", str(stream.message.pk))
    if lose is not delete:  # in which case there is no message any more that could be followed
        assert await socket.is_closed_with() == (4404, "nothing left that you may see")
        await stream.acomplete()


async def test_a_socket_stays_open_for_what_its_user_may_still_see(connect, owner, conversation, stranger):
    other = await Conversation.objects.acreate(owner=owner)
    kept, lost = await other.astart_stream(), await conversation.astart_stream()
    socket = await connect(access_interval=QUICK)
    for stream in (kept, lost):
        await socket.say("follow", stream.message)
        await socket.hear_until("start")

    await give_away(conversation, stranger)
    refusal = await socket.hear()
    await lost.aappend("secret")
    await kept.aappend("on")

    assert (refusal["code"], refusal["request"]["message"]) == ("not_found", str(lost.message.pk))
    assert (await socket.hear())["text"] == "on"
    assert await socket.hears_nothing_before_the_pong()
    await asyncio.gather(kept.acomplete(), lost.acomplete())


async def test_a_check_that_fails_signs_nobody_out(connect, owner, settings, caplog):
    session = await signed_in(owner)
    socket = await connect(session=session, access_interval=QUICK)
    settings.SESSION_ENGINE = "nowhere"
    while "cannot be checked" not in caplog.text:
        assert await socket.hears_nothing_before_the_pong()
        await asyncio.sleep(QUICK)

    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert await socket.hears_nothing_before_the_pong()
    await log_out(owner, session)

    assert (await socket.is_closed_with())[0] == 4401


@pytest.mark.parametrize("count", [1, 20])
def test_all_sockets_are_checked_with_three_queries(owner, stranger, conversation, django_assert_num_queries, count):
    client = Client()
    client.force_login(owner)
    key = client.cookies["sessionid"].value
    own, wrong = {str(conversation.pk): owner.pk}, {str(conversation.pk): stranger.pk}
    claims = [Claim(owner, key, own), Claim(stranger, "", wrong)] * count

    with django_assert_num_queries(3):
        found = losses(claims)

    assert [bool(loss.conversations) for loss in found] == [False, True] * count
    assert not any(loss.is_signed_out for loss in found)


@pytest.mark.parametrize("engine", ["cache", "cached_db", "file", "signed_cookies"])
def test_sessions_may_be_kept_anywhere(owner, settings, engine, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    client = Client()
    client.force_login(owner)
    session = client.session
    claims = [Claim(owner, signing_session(owner, session))]

    before = losses(claims)
    client.logout()
    after = losses(claims)

    assert claims[0].session_key == session.session_key
    assert not before[0].is_signed_out
    # What a cookie says nobody can take back.
    assert after[0].is_signed_out == (engine != "signed_cookies")


def test_a_session_that_signs_nobody_in_is_not_asked_about(owner, stranger):
    client = Client()
    client.force_login(owner)

    assert signing_session(stranger, client.session) == ""
    assert signing_session(stranger, None) == ""


async def test_who_may_see_a_conversation_is_decided_as_everywhere_else(owner, stranger, conversation):
    deleted = await Conversation.objects.acreate(owner=owner, deleted_at=timezone.now())
    everybodys = await Conversation.objects.acreate()
    ids = {str(each.pk) for each in (conversation, deleted, everybodys)}

    for user in (owner, stranger):
        lost = (await sync_to_async(losses)([Claim(user, "", dict.fromkeys(ids, user.pk))]))[0].conversations
        mine = [str(pk) async for pk in Conversation.objects.for_user(user).values_list("pk", flat=True)]
        assert lost == ids.difference(mine)


async def test_frames_ask_the_database_nothing_about_access(connect, conversation):
    message = await conversation.aadd_assistant_message("Hello")
    with ledger() as kept:
        socket = await connect(access_interval=3600)
        await socket.say("follow", message)
        await socket.hear_until("complete")
        joining = len(kept.statements)
        for _ in range(50):
            assert await socket.hears_nothing_before_the_pong()

    asked = [entry.said for entry in kept.statements[joining:] if entry.thread != "converse-feed"]
    assert (joining > 0, asked) == (True, [])
