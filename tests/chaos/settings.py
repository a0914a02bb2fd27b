"""The example site as chaos runs it: each process says its name to the provider, and nobody is asked to slow down."""

import os

from example_project.settings import *  # noqa: F403 - it is that site
from example_project.settings import CONVERSE_STREAM, PROVIDERS, REST_FRAMEWORK

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {}}
PROVIDERS["openai"]["headers"] = {"member": os.environ.get("MEMBER", "")}
CONVERSE_STREAM |= {
    "LEASE": float(os.environ["LEASE"]),
    "MAX_LIVE_ANSWERS_PER_USER": None,
    "SSE_HEARTBEAT": 2.0,
}
