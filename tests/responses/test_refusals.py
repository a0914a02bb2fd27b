"""What cannot be asked is refused with a status and JSON, whatever the view lets pass."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import path

from converse_stream.models import Conversation, Message

pytestmark = pytest.mark.django_db(transaction=True)

MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "converse_stream.middleware.RefusalMiddleware"]


def ask(request: HttpRequest, pk: Any) -> HttpResponseBase:
    return Conversation.objects.get(pk=pk).stream_response(request.POST["message"], source=["Yes."])


async def aask(request: HttpRequest, pk: Any) -> HttpResponseBase:
    conversation = await Conversation.objects.aget(pk=pk)
    return await conversation.astream_response(request.POST["message"], source=["Yes."])


def fail(request: HttpRequest) -> HttpResponseBase:
    raise LookupError("no error of ours")


urlpatterns = [path("sync/<uuid:pk>/", ask), path("async/<uuid:pk>/", aask), path("fail/", fail)]


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, MIDDLEWARE
    settings.CONVERSE_STREAM = {"MAX_PROMPT_CHARS": 10}


@pytest.mark.parametrize(("message", "status", "code"), [("", 400, "invalid"), ("x" * 11, 413, "too_large")])
@pytest.mark.parametrize("view", ["sync", "async"])
async def test_a_question_that_cannot_be_asked_is_refused(
    view: str, message: str, status: int, code: str, conversation: Conversation
) -> None:
    response = await AsyncClient().post(f"/{view}/{conversation.pk}/", {"message": message})

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert not await Message.objects.aexists()


@pytest.mark.parametrize("view", ["sync", "async"])
def test_a_second_question_is_told_which_answer_to_wait_for(view: str, conversation: Conversation) -> None:
    with conversation.start_stream() as stream:
        response = Client().post(f"/{view}/{conversation.pk}/", {"message": "and?"})

    assert response.status_code == 409
    assert response.json()["error"] == {
        "code": "busy",
        "message": "An answer is still being written in this conversation.",
        "live_message": str(stream.message.pk),
    }


def test_a_question_is_answered_as_ever(conversation: Conversation) -> None:
    response = Client().post(f"/sync/{conversation.pk}/", {"message": "well?"})

    assert response.status_code == 200
    assert b"event: complete" in response.getvalue()


def test_an_error_that_is_not_ours_stays_one(conversation: Conversation) -> None:
    with pytest.raises(LookupError):
        Client().get("/fail/")
