"""Which of a conversation's messages a page shows: one line from the first to the last, through a message of choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from converse_stream.models import Conversation, Role
from converse_stream.models.choices import LIVE_STATUSES, Status


class Node(NamedTuple):
    """A message as a place in the tree, without its text."""

    pk: UUID
    parent: UUID | None
    number: int
    role: str
    status: str


class Tree:
    """The messages of a conversation by what they follow."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.pk: node for node in sorted(nodes, key=lambda node: node.number)}
        by_parent = sorted(self.nodes.values(), key=lambda node: (str(node.parent), node.number))
        self._children = {parent: list(group) for parent, group in groupby(by_parent, lambda node: node.parent)}
        # The newest number in or under each: what follows a message is newer than it.
        self._newest = {pk: node.number for pk, node in self.nodes.items()}
        for node in reversed(self.nodes.values()):
            if node.parent in self._newest:
                self._newest[node.parent] = max(self._newest[node.parent], self._newest[node.pk])

    @classmethod
    def of(cls, conversation: Conversation) -> Tree:
        """Read the tree of a conversation, in one query and without any text."""
        return cls(map(Node._make, conversation.messages.values_list("pk", "parent_id", "number", "role", "status")))

    @property
    def live(self) -> Node | None:
        """The answer that is being written."""
        return next((node for node in self.nodes.values() if node.status in LIVE_STATUSES), None)

    def branch(self, through: UUID | None = None) -> list[Node]:
        """Return the line through a message, or the newest one, oldest first.

        Where a failed answer was followed by another question, which hangs on the first question, both are in it.
        """
        chosen, line, after = self._above(through), list[Node](), None
        while children := self._children.get(after):
            pick = self._pick(children, chosen)
            failed = [child for child in children if self._leads_nowhere(child)]
            questions = [child for child in children if child.role == Role.USER]
            if pick in failed and questions:
                line.append(pick)
                pick = self._pick(questions, chosen)
            elif pick.role == Role.USER:
                line += failed[-1:]
            line.append(pick)
            after = pick.pk
        return line

    def versions(self, node: Node) -> Sequence[Node]:
        """Return the messages that were tried in this place, oldest first: other words, other answers."""
        return [other for other in self._children[node.parent] if other.role == node.role]

    def _above(self, at: UUID | None) -> set[UUID]:
        line: set[UUID] = set()
        while at is not None and at in self.nodes:
            line.add(at)
            at = self.nodes[at].parent
        return line

    def _pick(self, children: list[Node], chosen: set[UUID]) -> Node:
        return max(children, key=lambda child: (child.pk in chosen, self._newest[child.pk]))

    def _leads_nowhere(self, node: Node) -> bool:
        return node.role == Role.ASSISTANT and node.status == Status.FAILED and node.pk not in self._children
