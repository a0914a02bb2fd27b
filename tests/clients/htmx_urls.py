"""The paths of docs/howto/htmx.md, and the REST API, by which a test looks on."""

from django.urls import include, path

urlpatterns = [path("api/", include("converse_stream.api.urls")), path("", include("chat_urls"))]
