"""Pages at the root, the three ways to stream a response under demo/, the package's REST and views."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from example_project import views

urlpatterns = [
    path("", views.chat, name="home"),
    path("c/<uuid:pk>/", views.chat, name="conversation"),
    path("accounts/login/", views.SignIn.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("demo/sync/<uuid:pk>/", views.ask_sync, name="demo-sync"),
    path("demo/async/<uuid:pk>/", views.ask_async, name="demo-async"),
    path("demo/drf/<uuid:pk>/", views.AskView.as_view(), name="demo-drf"),
    path("api/", include("converse_stream.api.urls")),
    path("converse/", include("converse_stream.urls")),
    path("admin/", admin.site.urls),
]
