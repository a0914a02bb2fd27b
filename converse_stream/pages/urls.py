"""The paths of the pages: `path("chat/", include("converse_stream.pages.urls"))`."""

from django.urls import path

from converse_stream.pages import answers, lists, talk

app_name = "converse_pages"

urlpatterns = [
    path("", lists.conversations, name="list"),
    path("new/", talk.new, name="new"),
    path("<uuid:pk>/", talk.conversation, name="conversation"),
    path("<uuid:pk>/rename/", lists.rename, name="rename"),
    path("<uuid:pk>/delete/", lists.delete, name="delete"),
    path("<uuid:pk>/restore/", lists.restore, name="restore"),
    path("messages/<uuid:pk>/stop/", answers.stop, name="stop"),
    path("messages/<uuid:pk>/retry/", answers.retry, name="retry"),
    path("messages/<uuid:pk>/regenerate/", answers.regenerate, name="regenerate"),
    path("messages/<uuid:pk>/edit/", answers.edit, name="edit"),
]
