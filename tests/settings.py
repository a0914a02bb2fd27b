"""Settings of the test run: SQLite in a file by default, PostgreSQL with DATABASE_URL."""

import json
import os
import tempfile
from pathlib import Path

import django
import environ

SECRET_KEY = "tests"
DEBUG = False
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split(",")
USE_TZ = True
ROOT_URLCONF = "tests.urls"
ASGI_APPLICATION = "tests.asgi.application"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "rest_framework.authtoken",
    "converse_stream",
    "example_project.wiki",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "converse_stream.middleware.RefusalMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": environ.Env().db_url("DATABASE_URL", default="sqlite:///unused.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file: an in-memory database and threads do not mix. A server that a test starts is given the file in use.
    if "DATABASE_URL" not in os.environ:
        _directory = Path(tempfile.gettempdir()) / f"converse-stream-tests-{os.getpid()}"
        _directory.mkdir(exist_ok=True)
        DATABASES["default"]["NAME"] = str(_directory / "db.sqlite3")
    DATABASES["default"] |= {
        "TEST": {"NAME": f"{DATABASES['default']['NAME']}.test"},
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # No test cuts the power, and a disk may be slow.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
    }
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
    ]
}
CONVERSE_STREAM: dict[str, object] = json.loads(os.environ.get("CONVERSE_STREAM", "{}"))
CHANNEL_LAYERS: dict[str, object] = json.loads(os.environ.get("CHANNEL_LAYERS", "{}"))
# Tasks in the database, for the runner `tasks`; before Django 6.0 with the backport.
INSTALLED_APPS += ["django_tasks_db", *(["django_tasks"] if django.VERSION < (6, 0) else [])]
TASKS = {"default": {"BACKEND": os.environ.get("TASKS_BACKEND", "django_tasks_db.DatabaseBackend")}}
