"""The documentation says what the code does: everything public is in it, and every link leads somewhere."""

import ast
import inspect
import json
import re
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands
from django.db.models.query_utils import DeferredAttribute
from django.urls import get_resolver, resolve

from converse_stream import checks, conf, events, exceptions, signals, testing
from converse_stream.api import urls as api_urls
from converse_stream.models import Conversation, Message
from converse_stream.models.conversation import ConversationQuerySet
from converse_stream.models.message import MessageQuerySet
from converse_stream.questions import Question
from converse_stream.writer import PrismStream
from tests.pages import PAGES, ROOT, anchors, blocks, links, prose, rows

REFERENCE = ROOT / "docs" / "reference"
SETTINGS, EVENTS, PYTHON, API = (REFERENCE / f"{name}.md" for name in ("settings", "events", "python", "api"))
LANGUAGES = {"python", "json", "http", "sh", "shell", "text", "html", "nginx", "js"}

DOORS = (Conversation, ConversationQuerySet, Message, MessageQuerySet, PrismStream, Question)
NOT_FOR_SITES = {"subject_type", "subject", "last_number", "revision", "live_in", "learn", "outcome"}
NOT_FOR_SITES |= {"lease_holder", "lease_expires_at", "claims", "client_key", "request_fingerprint", "request"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code_words(page):
    return set(re.findall(r"`([^`\n]+)`", prose(page)))


def table(page, *heading):
    """Return the rows, by their first cell, of the table with this heading."""
    cells = rows(page)
    start = cells.index(list(heading)) + 1
    return {row[0].strip("`"): row for row in cells[start:] if len(row) == len(heading)}


def is_public(name, value):
    kind = inspect.isfunction(value) or isinstance(value, property | DeferredAttribute)
    return kind and not name.startswith(("_", "get_")) and name.removesuffix("_id") not in NOT_FOR_SITES


class TestSettings:
    @pytest.mark.parametrize("key", conf.DEFAULTS)
    def test_every_setting_is_described_with_its_default(self, key):
        """Seeds: F-09."""
        described = table(SETTINGS, "key", "default", "unit", "meaning")

        assert key in described
        assert ast.literal_eval(described[key][1].strip("`")) == conf.DEFAULTS[key]
        assert described[key][3]

    @pytest.mark.parametrize("key", conf.DEFAULTS)
    def test_every_setting_has_a_commented_line_in_the_example_environment(self, key):
        assert re.search(rf"^#.*\b{key}\b", (ROOT / ".env.example").read_text(), re.MULTILINE)

    def test_no_setting_is_described_that_does_not_exist(self):
        described = table(SETTINGS, "key", "default", "unit", "meaning")

        assert [key for key in described if key.isupper() and key not in conf.DEFAULTS] == []

    def test_every_variable_the_example_project_reads_is_in_the_example_environment(self):
        source = (ROOT / "example_project" / "settings.py").read_text()
        variables = set(re.findall(r"env(?:\.\w+)?\(\s*\"([A-Z_]+)\"", source))

        text = (ROOT / ".env.example").read_text()

        assert [name for name in sorted(variables) if not re.search(rf"^#? ?{name}=", text, re.MULTILINE)] == []

    def test_the_example_environment_changes_nothing(self):
        lines = (ROOT / ".env.example").read_text().splitlines()

        assert [line for line in lines if line.strip() and not line.startswith("#")] == []

    def test_every_system_check_is_listed(self):
        sources = [path.read_text() for path in (ROOT / "converse_stream" / "checks").glob("*.py")]
        ids = set(re.findall(r"converse_stream\.[EWI]\d{3}", "".join(sources)))

        assert len(ids) > 10
        assert checks.__doc__
        assert sorted(ids - code_words(SETTINGS)) == []


class TestEvents:
    @pytest.mark.parametrize("code", sorted(exceptions.BY_CODE))
    def test_every_error_code_is_listed_with_its_sentence(self, code):
        error = exceptions.BY_CODE[code]

        row = table(EVENTS, "code", "message", "retryable")[code]

        assert row[1:] == [str(error.public), "yes" if error.retryable else "no"]

    @pytest.mark.parametrize("error", exceptions.ConverseError.__subclasses__(), ids=lambda error: error.__name__)
    def test_every_error_that_is_raised_is_listed_with_its_code(self, error):
        if error is not exceptions.GenerationError:
            assert f"`{error.code}`" in table(PYTHON, "error", "code", "raised")[error.__name__]

    @pytest.mark.parametrize("kind", sorted(events.CONTENT_KINDS | events.ENDINGS | {"start", "reset"}))
    def test_every_kind_of_event_is_described_and_has_an_example(self, kind):
        """Seeds: P-01."""
        assert kind in table(EVENTS, "kind", "meaning")
        assert any(kind in block.tags.get("event", "").split(",") for block in blocks(EVENTS, "json"))

    @pytest.mark.parametrize("field", [*events.Event.__dataclass_fields__, "id", "text", "is_ending"])
    def test_every_field_of_an_event_is_described(self, field):
        assert field == "frames" or field in code_words(EVENTS)

    @pytest.mark.parametrize("delta", events.KIND_OF, ids=lambda delta: delta.__name__)
    def test_every_delta_is_described_with_its_fields(self, delta):
        row = table(PYTHON, "class", "`type`", "fields")[delta.__name__]

        assert row[1] == f"`{events.KIND_OF[delta]}`"
        assert re.findall(r"\w+", row[2]) == list(delta.__dataclass_fields__)


class TestPython:
    @pytest.mark.parametrize("owner", DOORS, ids=lambda owner: owner.__name__)
    def test_every_public_method_and_field_is_described(self, owner):
        described = set(re.findall(r"\w+", " ".join(code_words(PYTHON))))
        public = {name for name, value in vars(owner).items() if is_public(name, value)}

        known = {spelling for name in described for spelling in (name, f"a{name}", f"{name}_id")}
        assert sorted(public - known) == []

    @pytest.mark.parametrize("name", sorted({name for name in vars(signals) if name.startswith("stream_")}))
    def test_every_signal_is_described(self, name):
        assert name in table(PYTHON, "signal", "when")

    @pytest.mark.parametrize("name", testing.__all__)
    def test_everything_to_test_with_is_described(self, name):
        assert any(word.startswith(name) for word in code_words(PYTHON))


class TestApi:
    def test_every_path_is_listed(self):
        paths = {f"/api/{pattern.pattern}" for pattern in get_resolver(api_urls.__name__).url_patterns}

        listed = {row[1].strip("`") for row in rows(API)}

        assert sorted(paths - listed) == []
        assert sorted(path for path in listed if path.startswith("/api/") and path not in paths) == []


@every_page
def test_every_link_leads_somewhere(page):
    for link in links(page):
        if re.match("[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_every_page_can_be_reached_from_the_index():
    index = ROOT / "docs" / "README.md"

    reached = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}

    assert sorted(page.name for page in index.parent.rglob("*.md") if page not in reached | {index}) == []


@every_page
def test_every_block_is_in_a_language_that_is_looked_at(page):
    assert {block.language for block in blocks(page)} <= LANGUAGES
    assert [str(block) for block in blocks(page) if "no-run" in block.tags] == []


@every_page
def test_every_json_example_parses(page):
    for block in blocks(page, "json"):
        json.loads(block.source)


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_sentence_has_a_line_of_its_own(page):
    crowded = [line for line in prose(page).splitlines() if re.search(r"[a-z`)]\. [A-Z]", line) and line[0] != "|"]

    assert crowded == []


def targets():
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def extras():
    return set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))


def is_known_command(words):
    match words:
        case ["make", *rest]:
            return {word for word in rest if "=" not in word} <= targets()
        case ["pip", "install", *packages]:
            wanted = {extra for package in packages for extra in re.findall(r"\w+", package.partition("[")[2])}
            return wanted <= extras()
        case [("python" | ".venv/bin/python"), "manage.py", command, *_]:
            return command in {*get_commands(), "runserver", "createsuperuser"}
        case [("python" | "python3"), "-m", "venv", _] | [".", ".venv/bin/activate"] | ["cd", _]:
            return True
        case ["celery", "-A", _, "worker", *_]:
            return True
        case ["curl", *rest]:
            return resolve(urlsplit(rest[-1].strip('"')).path).namespace == "converse_api"
        case ["django-admin", "startproject", _] | ["cp", _, _] | ["git", "clone", *_]:
            return True
    return False


@every_page
def test_every_command_exists(page):
    for block in [*blocks(page, "shell"), *blocks(page, "sh")]:
        for line in block.source.splitlines():
            command = line.partition("#")[0].split()
            assert not command or is_known_command(command), f"{block}: {line}"


@every_page
def test_every_management_command_named_exists(page):
    named = set(re.findall(r"manage\.py (\w+)", page.read_text()))

    assert sorted(named - {*get_commands(), "runserver", "createsuperuser"}) == []
