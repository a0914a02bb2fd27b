"""The tests' site with Django's own compression around everything."""

from tests.settings import *  # noqa: F403 - a settings module
from tests.settings import MIDDLEWARE as PLAIN

MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *PLAIN]
