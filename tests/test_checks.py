"""System checks: an error for what cannot run, a warning for what will surprise, silence for what is right."""

import sys
from types import ModuleType

import pytest
from django.core.checks import run_checks
from django.db import connections

from converse_stream.conf import DEFAULTS
from tests.records import Echo

WAL = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"


def found() -> list[str]:
    return sorted(message.id.removeprefix("converse_stream.") for message in ours())


def ours():
    return [message for message in run_checks() if message.id.startswith("converse_stream.")]


@pytest.fixture
def database(monkeypatch):
    """Change what Django knows of the default database, for the checks only: nothing connects."""

    def database(**changes):
        for key, value in changes.items():
            monkeypatch.setitem(connections.settings["default"], key, value)

    database(ENGINE="django.db.backends.postgresql", OPTIONS={}, CONN_MAX_AGE=0)
    return database


@pytest.fixture(autouse=True)
def quiet_surroundings(database, monkeypatch):
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)


def test_the_defaults_are_right(settings):
    del settings.CONVERSE_STREAM

    assert found() == []


@pytest.mark.parametrize("value", [None, [], "thread", 5])
def test_settings_that_are_no_dict_cannot_run(settings, value):
    settings.CONVERSE_STREAM = value

    assert found() == ["E001"]


@pytest.mark.parametrize("key", ["RUNNER", "BROKER"])
@pytest.mark.parametrize("value", ["no.such.Thing", "os.path.NoSuchThing", "os.path.join", "tests.records.Echo"])
def test_a_runner_or_broker_whose_path_leads_nowhere_is_a_warning(settings, key, value):
    settings.CONVERSE_STREAM = {key: value}

    assert found() == ["W002"]


IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
ON_REDIS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://x"]}}}


@pytest.mark.parametrize(("layers", "says"), [({}, "no channel layer"), (IN_MEMORY, "stays in its process")])
def test_a_channel_layer_that_reaches_nobody_is_a_warning(settings, layers, says):
    settings.CONVERSE_STREAM, settings.CHANNEL_LAYERS = {"BROKER": "channel_layer"}, layers

    assert found() == ["W009"]
    assert says in ours()[0].msg


def test_notify_needs_postgresql(settings, database):
    settings.CONVERSE_STREAM = {"BROKER": "notify"}
    assert found() == []

    database(
        ENGINE="django.db.backends.sqlite3",
        OPTIONS={"transaction_mode": "IMMEDIATE", "init_command": WAL},
    )

    assert found() == ["W009"]
    assert "not PostgreSQL" in ours()[0].msg


def test_a_channel_layer_on_redis_is_right(settings):
    settings.CONVERSE_STREAM, settings.CHANNEL_LAYERS = {"BROKER": "channel_layer"}, ON_REDIS

    assert found() == []


@pytest.mark.parametrize("model", [["demo", "nobody:knows"], "nobody:knows", []])
def test_a_default_model_that_nobody_has_is_a_warning(settings, model):
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": model}

    assert found() == ["W002"]


@pytest.mark.parametrize("path", ["tests.dialects.own.Missing", "nowhere.at.all", "native", "tests.records.Echo"])
def test_a_dialect_that_is_none_is_a_warning(settings, path):
    settings.CONVERSE_STREAM = {"DIALECTS": {"mine": path}}

    assert found() == ["W002"]


@pytest.mark.parametrize("key", ["RUNNER", "BROKER"])
@pytest.mark.parametrize("value", ["therad", "", None, 5, [], {}])
def test_a_runner_or_broker_that_is_no_name_cannot_run(settings, key, value):
    settings.CONVERSE_STREAM = {key: value}

    assert found() == ["E002"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[
            (key, value)
            for key in ("LEASE", "FLUSH_INTERVAL", "POLL_INTERVAL", "SSE_HEARTBEAT", "SSE_MAX_SECONDS")
            for value in (0, -1, "1", None, True, float("nan"))
        ],
        *[
            (key, value)
            for key in ("MAX_PROMPT_CHARS", "MAX_OUTPUT_CHARS", "SSE_RETRY")
            for value in (0, 1.5, "1", None)
        ],
        *[
            (key, value)
            for key in ("MAX_LIVE_ANSWERS", "MAX_LIVE_ANSWERS_PER_USER", "MAX_VIEWERS_PER_USER")
            for value in (0, -1, 1.5, "1")
        ],
        *[("TICKET_SECONDS", value) for value in (0, -1, "1", None)],
        *[
            (key, value)
            for key, default in DEFAULTS.items()
            if isinstance(default, int | float)
            for value in (float("inf"), float("-inf"), float("nan"), 1e30)
        ],
        *[("WHEN_BUSY", value) for value in ("wait", None, True)],
        *[(key, value) for key in ("CLIENT_MODELS", "CLIENT_OPTIONS") for value in ("demo", 1, [1])],
        *[
            ("ALLOWED_ORIGINS", value)
            for value in ("*", ["*"], ["chat.example.com"], ["https://a.example/"], [None], ["https://*.example"])
        ],
        *[("RETRIES", value) for value in (-1, 1.5, "2", None, True)],
        ("CHUNK_RETENTION", -1),
        ("CHUNK_RETENTION", None),
        ("PROVIDERS", ["demo"]),
        *[("DIALECTS", value) for value in (["native"], {"mine": None}, {1: "tests.dialects.own.Shout"})],
        ("DEFAULT_OPTIONS", []),
        ("PUBLIC_METADATA", "tab"),
        ("PUBLIC_METADATA", [1]),
        ("GROUP_PREFIX", "a:b"),
        ("GROUP_PREFIX", ""),
        ("CACHE", "no-such-alias"),
        ("CACHE", []),
    ],
)
def test_a_value_of_the_wrong_kind_cannot_run(settings, key, value):
    settings.CONVERSE_STREAM = {key: value}

    assert found() == ["E003"]
    assert key in ours()[0].msg


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LEASE", 5),
        ("RETRIES", 0),
        ("DEFAULT_MODEL", ["demo:a", "demo:b"]),
        ("POLL_INTERVAL", 0.1),
        ("CHUNK_RETENTION", 0),
        ("PUBLIC_METADATA", {"tab"}),
        ("CACHE", "default"),
        ("CACHE", None),
        ("RUNNER", "inline"),
        ("RUNNER", "converse_stream.runners.InlineRunner"),
        ("DIALECTS", {"mine": "tests.dialects.own.Shout"}),
        ("PROVIDERS", {"mine": {"class": "tests.records.Echo"}}),
        ("PROVIDERS", {"mine": Echo("mine")}),
    ],
)
def test_a_value_that_can_run_is_not_talked_about(settings, key, value):
    settings.CONVERSE_STREAM = {key: value}

    assert found() == []


@pytest.mark.parametrize(
    ("key", "hint"), [("POL_INTERVAL", "POLL_INTERVAL"), ("runner", "RUNNER"), ("xyz", "DEFAULT_MODEL"), (5, "RUNNER")]
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(settings, key, hint):
    """Seeds: V-23."""
    settings.CONVERSE_STREAM = {key: 1}

    [warning] = ours()

    assert warning.id == "converse_stream.W001"
    assert repr(key) in warning.msg
    assert hint in warning.hint


@pytest.mark.parametrize(
    "values",
    [
        {"PROVIDERS": {"mine": {"class": "no.such.Provider"}}},
        {"PROVIDERS": {"mine": {"class": "os.path.join"}}},
        {"PROVIDERS": {"mine": "tests.records.Echo"}},
        {"DEFAULT_MODEL": "nobody:x"},
        {"DEFAULT_MODEL": "mine:x", "PROVIDERS": {"mine": {"class": "no.such.Provider"}}},
    ],
)
def test_a_provider_that_cannot_be_used_is_said_once(settings, values):
    settings.CONVERSE_STREAM = values

    assert found() == ["W002"]


def test_a_key_in_the_settings_is_never_repeated(settings):
    settings.CONVERSE_STREAM = {
        "PROVIDERS": {"mine": {"class": "no.such.Provider", "api_key": "sk-canary"}, "two": "sk-canary"},
        "sk_canary": "sk-canary",
    }

    assert "sk-canary" not in repr(ours())


@pytest.mark.parametrize(
    ("options", "is_right"),
    [
        ({"transaction_mode": "IMMEDIATE", "init_command": WAL}, True),
        ({"transaction_mode": "immediate", "init_command": "pragma journal_mode = wal"}, True),
        ({"transaction_mode": "EXCLUSIVE", "init_command": WAL}, True),
        ({}, False),
        ({"init_command": WAL}, False),
        ({"transaction_mode": "IMMEDIATE"}, False),
        ({"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=DELETE"}, False),
    ],
)
def test_sqlite_wants_wal_and_immediate_transactions(database, options, is_right):
    database(ENGINE="django.db.backends.sqlite3", NAME="db.sqlite3", OPTIONS=options)

    assert found() == ([] if is_right else ["W003"])


@pytest.mark.parametrize("name", [":memory:", "file:memorydb_default?mode=memory&cache=shared"])
@pytest.mark.parametrize(("runner", "ids"), [("thread", ["W006"]), ("inline", [])])
def test_in_memory_sqlite_and_threads_do_not_mix(database, settings, name, runner, ids):
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    database(ENGINE="django.db.backends.sqlite3", NAME=name)

    assert found() == ids


@pytest.mark.parametrize(("processes", "ids"), [("1", []), ("4", ["W004"]), ("", []), ("auto", [])])
def test_the_local_broker_beside_several_processes_costs_latency(monkeypatch, processes, ids):
    monkeypatch.setenv("WEB_CONCURRENCY", processes)

    assert found() == ids
    assert all("latency only" in warning.hint for warning in ours())


@pytest.mark.parametrize(
    ("layer", "ids"),
    [("channels_redis.core.RedisChannelLayer", ["W004"]), ("channels.layers.InMemoryChannelLayer", [])],
)
def test_a_layer_that_only_several_processes_need_tells_the_same(settings, layer, ids):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": layer}}

    assert found() == ids


@pytest.mark.parametrize(
    ("application", "age", "ids"),
    [
        ("site.asgi.application", 60, ["W005"]),
        ("site.asgi.application", None, ["W005"]),
        ("site.asgi.application", 0, []),
        (None, 60, []),
    ],
)
def test_lasting_connections_are_lost_under_asgi(settings, database, application, age, ids):
    settings.ASGI_APPLICATION = application
    database(CONN_MAX_AGE=age)

    assert found() == ids


@pytest.mark.parametrize(
    ("module", "question"), [("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")]
)
@pytest.mark.parametrize(
    ("is_patched", "runner", "ids"), [(True, "thread", ["W007"]), (False, "thread", []), (True, "inline", [])]
)
def test_greenlets_in_place_of_threads_are_noticed(monkeypatch, settings, module, question, is_patched, runner, ids):
    loaded = ModuleType(module)
    vars(loaded)[question] = lambda name: is_patched and name == "thread"
    monkeypatch.setitem(sys.modules, module, loaded)
    settings.CONVERSE_STREAM = {"RUNNER": runner}

    assert found() == ids


def test_nothing_is_connected_to(database):
    database(ENGINE="django.db.backends.postgresql", HOST="192.0.2.1", NAME="nowhere")

    assert found() == []
