"""The paths of the plain views: `path("converse/", include("converse_stream.urls"))`."""

from django.urls import path

from converse_stream import views

app_name = "converse_stream"

urlpatterns = [
    path("messages/<uuid:pk>/stream/", views.follow, name="follow"),
    path("messages/<uuid:pk>/cancel/", views.cancel, name="cancel"),
    path("conversations/<uuid:pk>/events/", views.watch, name="watch"),
]
