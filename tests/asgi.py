"""The ASGI application of the tests: no Origin validator of its own, so that the consumer's is what is tested."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

from converse_stream.asgi import converse_application

django_application = get_asgi_application()

from converse_stream.consumers import ConverseConsumer  # noqa: E402 - models can be imported only now
from converse_stream.routing import unknown, websocket_urlpatterns  # noqa: E402

impatient = path("ws/impatient/", ConverseConsumer.as_asgi(slow_after=0.5, access_interval=0.2))
websockets = URLRouter([*websocket_urlpatterns, impatient, unknown])

application = converse_application(
    ProtocolTypeRouter({"http": django_application, "websocket": AuthMiddlewareStack(websockets)})
)
