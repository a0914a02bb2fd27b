"""The settings of the least site there can be, on the database in DATABASE_URL."""

import os

import environ

SECRET_KEY = "benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.durable"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "converse_stream"]
# No middleware: a bare pass-through has none either, and what a site's own costs is not ours.
MIDDLEWARE: list[str] = []
DATABASES = {"default": environ.Env().db_url("DATABASE_URL")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
CONVERSE_STREAM = {
    "PROVIDERS": {"openai": {"api_key": "none", "base_url": os.environ.get("UPSTREAM", "http://127.0.0.1:9/v1")}}
}
