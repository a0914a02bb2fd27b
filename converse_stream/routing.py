"""The WebSocket paths, for a site's `URLRouter([*websocket_urlpatterns, unknown])` inside `AuthMiddlewareStack`."""

from django.urls import path, re_path

from converse_stream.consumers import ConverseConsumer, UnknownPath

websocket_urlpatterns = [
    path("ws/converse/", ConverseConsumer.as_asgi()),
    re_path(r"^ws/converse/.", UnknownPath.as_asgi()),
]

unknown = re_path("", UnknownPath.as_asgi())
"""For the end of a site's list: any other path is closed with a code, where URLRouter would raise an error."""
