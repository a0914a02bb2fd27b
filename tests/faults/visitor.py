"""A visitor of served sites: asks and follows over REST, and comes back with a cursor when a server is gone."""

import threading
from collections.abc import Callable, Iterator

import httpx
from django.contrib.auth.models import AbstractBaseUser
from rest_framework.authtoken.models import Token

from converse_stream.models import Conversation
from converse_stream.testing import Follower


class Visitor:
    """Somebody whom every server on the tests' database lets in."""

    def __init__(self, user: AbstractBaseUser) -> None:
        self.user = user
        self._headers = {"Authorization": f"Token {Token.objects.create(user=user).key}"}

    def ask(self, url: str, question: str, conversation: Conversation | None = None) -> str:
        """Return the answer's id."""
        conversation = conversation or Conversation.objects.create(owner=self.user)
        path = f"{url}/api/conversations/{conversation.pk}/messages/"
        response = httpx.post(path, headers=self._headers, json={"content": question}, timeout=60)
        response.raise_for_status()
        return str(response.json()["message"]["id"])

    def stop(self, url: str, message_id: str) -> None:
        """Stop an answer."""
        httpx.post(f"{url}/api/messages/{message_id}/cancel/", headers=self._headers, timeout=60).raise_for_status()

    def follow(self, url: str, message_id: str, follower: Follower) -> Iterator[None]:
        """Read on from the follower's cursor until the response ends or breaks off; yield at every piece."""
        follower.reconnect()
        path, query = f"{url}/api/messages/{message_id}/stream/", {"after": follower.cursor or "0"}
        try:
            with httpx.stream("GET", path, params=query, headers=self._headers, timeout=40) as response:
                response.raise_for_status()
                for data in response.iter_raw():
                    follower.feed(data)
                    yield
        except (httpx.RemoteProtocolError, httpx.NetworkError):
            return  # the server is gone

    def view(self, url: str, message_id: str) -> "Viewing":
        """Follow in the background."""
        return Viewing(self, url, message_id)


class Viewing:
    """What one viewer of one answer has seen by now."""

    def __init__(self, visitor: Visitor, url: str, message_id: str) -> None:
        self.message_id = message_id
        self.follower = Follower()
        self.error: Exception | None = None
        self._pieces = visitor.follow(url, message_id, self.follower)
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._view, daemon=True)
        self._thread.start()

    def wait_for(self, holds: Callable[[Follower], bool]) -> None:
        """Wait until the viewer has seen what is asked for."""
        with self._news:
            assert self._news.wait_for(lambda: holds(self.follower) or not self._thread.is_alive(), 20)
        assert holds(self.follower), self.error

    def end(self) -> Follower:
        """Wait until the response has ended or broken off. Return what the viewer has seen."""
        self._thread.join(40)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.follower

    def _view(self) -> None:
        try:
            for _ in self._pieces:
                with self._news:
                    self._news.notify_all()
        except (AssertionError, httpx.HTTPError) as error:
            self.error = error
        finally:
            with self._news:
                self._news.notify_all()
