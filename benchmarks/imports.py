"""What it takes to import an app: the CPU of a fresh interpreter that sets Django up."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT

SETUP = """
import sys, time
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="imports",
    USE_TZ=True,
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", *{apps}],
)
django.setup()
import django.core.asgi, django.core.cache, django.urls, django.views.generic
import rest_framework.generics, rest_framework.routers, rest_framework.serializers, rest_framework.viewsets
{then}
print(time.process_time())
"""


class Interpreter:
    """Starts afresh for each import, with modules compiled before, as a site has them."""

    def __init__(self, compiled: Path) -> None:
        wanted = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._environment = wanted | {"PYTHONPYCACHEPREFIX": str(compiled)}

    def milliseconds(self, *apps: str) -> float:
        """Return the milliseconds of CPU to set up Django, REST framework and these apps, their URLs included."""
        then = "\n".join(f"import {app}.urls" for app in apps)
        command = [sys.executable, "-c", SETUP.format(apps=list(apps), then=then)]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, check=True, capture_output=True, text=True)
        return float(done.stdout) * 1000
