"""The ASGI application of the tests: no Origin validator of its own, so that the consumer's is what is tested."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

from converse_stream.asgi import converse_application

django_application = get_asgi_application()

from converse_stream.routing import websocket_urlpatterns  # noqa: E402 - models can be imported only now

application = converse_application(
    ProtocolTypeRouter({"http": django_application, "websocket": AuthMiddlewareStack(URLRouter(websocket_urlpatterns))})
)
