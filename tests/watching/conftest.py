"""The sockets of the consumer's tests, and the people they belong to."""

from tests.consumers.conftest import connect, conversation, owner, stranger

__all__ = ["connect", "conversation", "owner", "stranger"]
