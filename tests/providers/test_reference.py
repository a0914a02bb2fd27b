"""The pages about providers and outcomes say what the code does."""

import re

import pytest

from converse_stream.outcome import FINISH_REASONS
from converse_stream.providers import errors
from converse_stream.providers import options as options_module
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.registry import BUILT_IN, provider
from tests.pages import ROOT, anchors, rows

PROVIDERS, OUTCOMES = (ROOT / "docs" / "reference" / f"{name}.md" for name in ("providers", "outcomes"))
NAMES = [name for name in BUILT_IN if name != "demo"]
every_provider = pytest.mark.parametrize("name", NAMES)


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def table(page, *heading):
    """Return the rows, by the words in their first cell, of the table with this heading."""
    cells = rows(page)
    start = cells.index(list(heading)) + 1
    found = {}
    for row in cells[start:]:
        if len(row) != len(heading):
            break
        found[row[0]] = row[1:]
    return found


@every_provider
def test_a_provider_is_described_with_its_key_model_and_formats(name):
    kind = type(provider(name))

    key, model, apis = table(PROVIDERS, "provider", "key", "default model", "`api`")[f"`{name}`"]

    assert words(key) == [kind.key_environment]
    assert words(model) == [kind.default_model][: len(kind.default_model)]
    assert words(apis) == list(kind.apis)
    assert name in anchors(PROVIDERS)


@every_provider
def test_its_known_models_are_listed_with_the_sizes_of_their_contexts(name):
    listed = table(PROVIDERS, "provider", "known models, with the size of their context in tokens")
    models = CATALOGUE[name].models

    assert (f"`{name}`" in listed) is bool(models)
    shown = re.findall(r"`([^`]+)`(?: ([\d,]+))?", listed.get(f"`{name}`", [""])[0])
    assert {model: int(size.replace(",", "")) if size else None for model, size in shown} == models


def test_every_option_is_described():
    described = {word for cell in table(PROVIDERS, "option", "kind", "meaning") for word in words(cell)}

    assert described == options_module.SAMPLING | options_module.COMMON | options_module.OF_THE_CALL


def test_every_finish_reason_is_listed_with_its_names():
    listed = {words(ours)[0]: words(theirs.partition(";")[0]) for ours, (theirs,) in _finish_reasons().items()}

    assert {word: ours for ours, theirs in listed.items() for word in theirs} == FINISH_REASONS


def _finish_reasons():
    return dict(list(table(OUTCOMES, "ours", "theirs").items())[: len(set(FINISH_REASONS.values()))])


def error_codes():
    return table(
        OUTCOMES, "ours", "HTTP status", "codes that decide by themselves", "codes in an answer that had begun"
    )


@pytest.mark.parametrize("ours", error_codes())
def test_every_status_and_code_means_what_the_page_says(ours):
    statuses, decisive, others = error_codes()[ours]
    (code,) = words(ours)

    for status in re.findall(r"(?<!to )(?<!from )\b\d{3}\b(?! to)", statuses):
        if status != "200":
            assert errors.from_response(int(status), {}, b"{}").code == code
    for word in words(decisive):
        assert errors.from_response(400, {}, b'{"error": {"code": "%b"}}' % word.encode()).code == code
    for word in words(others):
        assert errors.from_event({"error": {"code": word}}).code == code


def test_every_code_that_is_known_is_on_the_page():
    listed = {word for row in error_codes().values() for cell in row for word in words(cell)}

    assert sorted({*errors._DECISIVE, *errors._BY_WORD} - listed) == []


@every_provider
def test_the_example_environment_has_a_line_for_its_key(name):
    assert f"# {CATALOGUE[name].key_environment}=" in (ROOT / ".env.example").read_text().splitlines()
