"""The ASGI application: HTTP to Django, WebSockets to the consumer, for signed-in users from our own pages only."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

from converse_stream.asgi import converse_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
django_application = get_asgi_application()

from converse_stream.routing import unknown, websocket_urlpatterns  # noqa: E402 - it needs Django's apps, loaded just above

application = converse_application(
    ProtocolTypeRouter(
        {
            "http": django_application,
            "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, unknown]))),
        }
    )
)
