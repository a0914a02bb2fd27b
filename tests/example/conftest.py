"""The example site inside the test process: its addresses, pages and settings."""

import pytest
from django.contrib.auth import get_user_model

from converse_stream.models import Conversation


@pytest.fixture(autouse=True)
def example_site(settings) -> None:
    settings.INSTALLED_APPS = ["example_project", *settings.INSTALLED_APPS]
    settings.ROOT_URLCONF = "example_project.urls"
    settings.LOGIN_URL = "login"
    settings.LOGIN_REDIRECT_URL = "home"
    settings.LOGOUT_REDIRECT_URL = "login"
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "DIALECTS": {"fragments": "example_project.dialects.Fragments"}}


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="analytical")


@pytest.fixture
def conversation(ada) -> Conversation:
    return Conversation.objects.create(owner=ada)
