"""The site: the app's pages, a page for each way to build one's own, three views that stream, the package's REST."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from example_project import integrations, views

urlpatterns = [
    path("", integrations.home, name="home"),
    path("chat/", include("converse_stream.pages.urls")),
    path("component/", integrations.component, name="component"),
    path("component/<uuid:pk>/", integrations.component, name="component-conversation"),
    path("bare/", integrations.bare, name="bare"),
    path("bare/<uuid:pk>/", integrations.bare, name="bare-conversation"),
    path("vue/", integrations.vue, name="vue"),
    path("vue/<uuid:pk>/", integrations.vue, name="vue-conversation"),
    path("htmx/", integrations.htmx, name="htmx"),
    path("htmx/<uuid:pk>/", integrations.htmx, name="htmx-conversation"),
    path("ai-sdk/", integrations.ai_sdk, name="ai-sdk"),
    path("accounts/login/", views.SignIn.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("demo/sync/<uuid:pk>/", views.ask_sync, name="demo-sync"),
    path("demo/async/<uuid:pk>/", views.ask_async, name="demo-async"),
    path("demo/drf/<uuid:pk>/", views.AskView.as_view(), name="demo-drf"),
    path("api/", include("converse_stream.api.urls")),
    path("converse/", include("converse_stream.urls")),
    path("wiki/", include("example_project.wiki.urls")),
    path("admin/", admin.site.urls),
]
