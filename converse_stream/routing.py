"""The WebSocket path, for a site's `URLRouter(websocket_urlpatterns)` inside `AuthMiddlewareStack`."""

from django.urls import path

from converse_stream.consumers import ConverseConsumer

websocket_urlpatterns = [path("ws/converse/", ConverseConsumer.as_asgi())]
