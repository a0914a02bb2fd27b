"""Settings of the example project. Everything that differs between machines comes from the environment.

Read from the environment, or from the file `.env` beside manage.py (another one with ENV_FILE):

    DEBUG, SECRET_KEY, ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS    Django's own; DEBUG is on unless it is set to off
    DATABASE_URL                 SQLite in db.sqlite3 unless set: postgres://user:password@host:5432/name
    REDIS_URL                    a channel layer on Redis instead of one in the process: redis://host:6379/0
    CONVERSE_MODEL               what answers: demo (needs no key), openai:<model>, …
    CONVERSE_RUNNER              where answers are generated: thread, inline, celery, …
    CELERY_BROKER_URL            the queue of the runner celery; REDIS_URL unless set
    CONVERSE_BROKER              how processes hint to each other; channel_layer with REDIS_URL, else local
    CONVERSE_POLL_INTERVAL       seconds between looks for what other processes wrote
    OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, XAI_API_KEY, GROQ_API_KEY, MISTRAL_API_KEY,
    OPENROUTER_API_KEY, DEEPSEEK_API_KEY, OLLAMA_API_KEY, OLLAMA_HOST    read by the providers themselves
    OPENAI_BASE_URL              another server, such as a gateway, that speaks OpenAI's format
    STATIC_ROOT                  where collectstatic puts what a proxy serves; staticfiles/ unless set

With DEBUG off also LOG_LEVEL, SECURE_SSL_REDIRECT, SECURE_HSTS_SECONDS, SECURE_HSTS_INCLUDE_SUBDOMAINS,
SECURE_HSTS_PRELOAD and TRUST_X_FORWARDED_PROTO: production.env.example is such an environment, with a word on each.
"""

from pathlib import Path
from typing import Any

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(env.path("ENV_FILE", default=str(BASE_DIR / ".env")))

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env.str("SECRET_KEY", default="not secret, for the demo only") if DEBUG else env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",  # before staticfiles: its runserver is ASGI
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "example_project",  # before converse_stream: its templates replace some of the app's
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
ROOT_URLCONF = "example_project.urls"
ASGI_APPLICATION = "example_project.asgi.application"
WSGI_APPLICATION = "example_project.wsgi.application"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES: dict[str, Any] = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers and one writer at the same time, and no "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if REDIS_URL := env.str("REDIS_URL", default=""):
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }

# Read by celery.py, with the runner celery.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",  # first: a request without credentials gets 401
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_RATES": {"converse_ask": "60/min", "converse_export": "60/hour"},
}

# Each provider finds its key in the environment by itself, and needs no entry.
PROVIDERS: dict[str, Any] = {}
if base_url := env.str("OPENAI_BASE_URL", default=""):
    PROVIDERS["openai"] = {"base_url": base_url}

CONVERSE_STREAM: dict[str, Any] = {
    "DEFAULT_MODEL": env.str("CONVERSE_MODEL", default="demo"),
    "RUNNER": env.str("CONVERSE_RUNNER", default="thread"),
    "BROKER": env.str("CONVERSE_BROKER", default="channel_layer" if REDIS_URL else "local"),
    "POLL_INTERVAL": env.float("CONVERSE_POLL_INTERVAL", default=0.25),
    "PROVIDERS": PROVIDERS,
    "DIALECTS": {"fragments": "example_project.dialects.Fragments"},
    "MAX_LIVE_ANSWERS_PER_USER": 5,
}

if not DEBUG:
    # With DEBUG on Django and daphne write to the terminal themselves.
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    }
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
    if env.bool("TRUST_X_FORWARDED_PROTO", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
