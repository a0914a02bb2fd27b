"""The REST paths: `path("api/", include("converse_stream.api.urls"))`."""

from django.urls import path

from converse_stream.api import views

app_name = "converse_api"

urlpatterns = [
    path("conversations/", views.ConversationList.as_view(), name="conversation-list"),
    path("conversations/<uuid:pk>/", views.ConversationDetail.as_view(), name="conversation-detail"),
    path("conversations/<uuid:pk>/messages/", views.MessageList.as_view(), name="message-list"),
    path("messages/<uuid:pk>/", views.MessageDetail.as_view(), name="message-detail"),
    path("messages/<uuid:pk>/stream/", views.MessageStream.as_view(), name="message-stream"),
    path("messages/<uuid:pk>/cancel/", views.MessageCancel.as_view(), name="message-cancel"),
]
