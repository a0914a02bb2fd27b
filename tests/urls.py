"""What the tests serve: the admin, the REST paths and the plain views, each under a prefix of the site's choice."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("converse_stream.api.urls")),
    path("converse/", include("converse_stream.urls")),
    path("streaming/", include("tests.streaming")),
]
