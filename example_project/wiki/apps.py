from django.apps import AppConfig


class WikiConfig(AppConfig):
    name = "example_project.wiki"
    label = "wiki"
    default_auto_field = "django.db.models.BigAutoField"
