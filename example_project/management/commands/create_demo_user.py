"""`manage.py create_demo_user`: make sure that somebody can sign in to the demo."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

NAME = PASSWORD = "demo"


class Command(BaseCommand):
    help = "Create the user demo with the password demo, or set both right again. The user may see the admin."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("A superuser with a known password is for demos only: DEBUG is off.")
        user, created = get_user_model().objects.get_or_create(username=NAME)
        user.is_active = user.is_staff = user.is_superuser = True
        if not user.check_password(PASSWORD):
            user.set_password(PASSWORD)
        user.save()
        self.stdout.write(f"User {NAME} {'created' if created else 'is ready'}, password {PASSWORD}.")
