"""The example site's settings, with a page that shows the component and nothing else."""

from example_project.settings import *  # noqa: F403 - it is that site

ROOT_URLCONF = "tests.browser.component_urls"
