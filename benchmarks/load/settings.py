"""The settings of the site under load: those of the least site, and what the environment says."""

import json
import os

from benchmarks.settings import *  # noqa: F403 - the settings of another site
from benchmarks.settings import CONVERSE_STREAM, DATABASES

ROOT_URLCONF = "benchmarks.load.site"
CHANNEL_LAYERS = json.loads(os.environ.get("CHANNEL_LAYERS", "{}"))
CONVERSE_STREAM = CONVERSE_STREAM | json.loads(os.environ.get("CONVERSE_STREAM", "{}"))
DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": int(os.environ.get("POOL", "10"))}}
