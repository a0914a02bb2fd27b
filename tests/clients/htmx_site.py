"""Settings of the site of docs/howto/htmx.md, whose files are in the directory HTMX_SITE."""

import os
import sys

from tests.settings import *  # noqa: F403 - those of the tests, and then some
from tests.settings import TEMPLATES

sys.path.append(os.environ["HTMX_SITE"])
TEMPLATES = [TEMPLATES[0] | {"DIRS": [os.environ["HTMX_SITE"]]}]
ROOT_URLCONF = "tests.clients.htmx_urls"
