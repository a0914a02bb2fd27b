"""The REST paths: `path("api/", include("converse_stream.api.urls"))`."""

from importlib.util import find_spec

from django.urls import path

from converse_stream.api import ai_sdk, conversations, events, exports, messages, openai, streams, usage

app_name = "converse_api"

urlpatterns = [
    path("conversations/", conversations.ConversationList.as_view(), name="conversation-list"),
    path("conversations/<uuid:pk>/", conversations.ConversationDetail.as_view(), name="conversation-detail"),
    path("conversations/<uuid:pk>/restore/", conversations.ConversationRestore.as_view(), name="conversation-restore"),
    path("conversations/<uuid:pk>/messages/", messages.MessageList.as_view(), name="message-list"),
    path("conversations/<uuid:pk>/stream/", streams.ConversationStream.as_view(), name="conversation-stream"),
    path("conversations/<uuid:pk>/events/", events.ConversationEvents.as_view(), name="conversation-events"),
    path("conversations/<uuid:pk>/export/", exports.ConversationExport.as_view(), name="conversation-export"),
    path("messages/<uuid:pk>/", messages.MessageDetail.as_view(), name="message-detail"),
    path("messages/<uuid:pk>/stream/", streams.MessageStream.as_view(), name="message-stream"),
    path("messages/<uuid:pk>/cancel/", messages.MessageCancel.as_view(), name="message-cancel"),
    path("messages/<uuid:pk>/retry/", messages.MessageRetry.as_view(), name="message-retry"),
    path("messages/<uuid:pk>/regenerate/", messages.MessageRegenerate.as_view(), name="message-regenerate"),
    path("messages/<uuid:pk>/edit/", messages.MessageEdit.as_view(), name="message-edit"),
    path("messages/<uuid:pk>/ticket/", streams.MessageTicket.as_view(), name="message-ticket"),
    # Without a slash too: AI SDK's clients append theirs to the address they are given.
    path("chat", ai_sdk.Chat.as_view()),
    path("chat/", ai_sdk.Chat.as_view(), name="chat"),
    path("chat/<str:chat>/stream", ai_sdk.ChatStream.as_view(), name="chat-stream"),
    path("chat/<str:chat>/stop", ai_sdk.ChatStop.as_view(), name="chat-stop"),
    path("v1/chat/completions", openai.ChatCompletions.as_view(), name="openai-chat-completions"),
    path("v1/models", openai.Models.as_view(), name="openai-models"),
    path("usage/", usage.Usage.as_view(), name="usage"),
]
if find_spec("drf_spectacular"):
    from converse_stream.api.schema import Schema

    urlpatterns.append(path("schema/", Schema.as_view(), name="schema"))
