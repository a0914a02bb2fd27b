"""The settings of the least site there can be, on the database in DATABASE_URL."""

import os

import environ

SECRET_KEY = "benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = os.environ.get("SITE", "benchmarks.durable")
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "converse_stream", "benchmarks.peers"]
INSTALLED_APPS += os.environ.get("MORE_APPS", "").split()
# No middleware: a bare pass-through has none either, and what a site's own costs is not ours.
MIDDLEWARE: list[str] = []
DATABASES = {"default": environ.Env().db_url("DATABASE_URL")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        # 0 keeps all that was written in the write-ahead log, to be counted.
        f"PRAGMA wal_autocheckpoint={os.environ.get('SQLITE_CHECKPOINT', '1000')};",
    }
    DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
CONVERSE_STREAM = {
    "PROVIDERS": {"openai": {"api_key": "none", "base_url": os.environ.get("UPSTREAM", "http://127.0.0.1:9/v1")}}
}
# Of django-eventstream: without it, events that nobody reads at once are lost.
EVENTSTREAM_STORAGE_CLASS = "django_eventstream.storage.DjangoModelStorage"
