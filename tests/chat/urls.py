"""A site that includes the pages by one line, and has a place to sign in."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("chat/", include("converse_stream.pages.urls")),
]
