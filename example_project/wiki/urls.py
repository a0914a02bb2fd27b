from django.urls import path

from example_project.wiki import views

app_name = "wiki"
urlpatterns = [
    path("", views.index, name="index"),
    path("pages/<path:slug>/", views.page, name="page"),
    path("questions/<int:pk>/", views.question, name="question"),
    path("questions/<int:pk>/stream/", views.stream, name="stream"),
    path("questions/<int:pk>/progress/", views.progress, name="progress"),
    path("questions/<int:pk>/stop/", views.stop, name="stop"),
]
