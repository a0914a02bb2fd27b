"""What the wiki holds: pages, the passages that are searched, and the questions asked under a page."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from converse_stream.models import Conversation, Message


class Page(models.Model):
    """A page, as Markdown."""

    slug = models.CharField(max_length=200, unique=True)
    title = models.CharField(max_length=200)
    source = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("wiki:page", args=[self.slug])

    @property
    def section(self) -> str:
        """The first folder of the page's path."""
        return self.slug.partition("/")[0] if "/" in self.slug else ""


class Passage(models.Model):
    """What stands between two headings of a page, or as much of it as is worth quoting."""

    page = models.ForeignKey(Page, models.CASCADE, related_name="passages")
    number = models.PositiveIntegerField()
    heading = models.TextField()
    anchor = models.TextField()
    text = models.TextField()

    class Meta:
        ordering = ("page", "number")

    def __str__(self) -> str:
        return self.heading

    def get_absolute_url(self) -> str:
        return f"{self.page.get_absolute_url()}#{self.anchor}"


class QuestionQuerySet(models.QuerySet["Question"]):
    """Questions with how their newest answers stand."""

    def with_status(self) -> QuestionQuerySet:
        """Add `status`, in the same query: the status of the newest answer."""
        answers = Message.objects.assistant().filter(conversation=OuterRef("conversation")).order_by("-number")
        return self.annotate(status=Subquery(answers.values("status")[:1])).select_related("conversation")


class Question(models.Model):
    """A question under a page. There is one row, and so one conversation, for one question: see `asking.ask`."""

    page = models.ForeignKey(Page, models.CASCADE, related_name="questions")
    key = models.CharField(max_length=64, editable=False)
    text = models.TextField()
    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="wiki_question")
    sources = models.JSONField(default=list)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (models.UniqueConstraint(fields=("page", "key"), name="wiki_one_question"),)

    def __str__(self) -> str:
        return self.conversation.title

    def get_absolute_url(self) -> str:
        return reverse("wiki:question", args=[self.pk])

    @property
    def answer(self) -> Message:
        """The newest answer: each time it is read, as it is in the database now."""
        return self.conversation.messages.assistant().order_by("-number")[0]
