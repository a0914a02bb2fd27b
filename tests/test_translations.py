"""Every sentence that people read is marked, and is there in Ukrainian: catalogues in step with the code.

The code and the templates are read here as makemessages reads them, so that gettext's programs are not needed.
"""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation.template import templatize

import converse_stream
from converse_stream.exceptions import BY_CODE, ConverseError
from tests.sources import tree

ROOT = Path(converse_stream.__file__).parent
LANGUAGES = ("en", "uk")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
TEMPLATES = sorted(ROOT.glob("templates/**/*.html"))
UKRAINIAN = re.compile("[\u0430-\u044f\u0456\u0457\u0454\u0491]", re.IGNORECASE)
# Letters that its neighbour has and it has not.
RUSSIAN = re.compile("[\u044b\u044d\u044a\u0451]", re.IGNORECASE)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}|%%")


def marked(path: Path) -> set[str]:
    """Return the texts that Python code marks."""
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] in MARKS and call.args]
    assert not any(isinstance(call.args[0], ast.JoinedStr) for call in named), "nobody finds what is put together"
    # What is no literal has been marked elsewhere, by gettext_noop.
    return {call.args[0].value for call in named if isinstance(call.args[0], ast.Constant)}


def in_template(source: str) -> set[str]:
    """Return the texts that a template marks."""
    found = re.findall(
        r"""\bgettext\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)|\b_\(("[^"]*"|'[^']*')\)""", templatize(source)
    )
    return {ast.literal_eval(first or second) for first, second in found}


def texts_of_the_package() -> set[str]:
    texts = {text for path in ROOT.rglob("*.py") for text in marked(path)}
    return texts.union(*(in_template(path.read_text("utf-8")) for path in TEMPLATES))


def catalogue(language: str) -> dict[str, str]:
    """Return a .po file's texts with their translations."""
    text = (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").read_text("utf-8")
    entries = re.findall(
        r"^msgid ((?:\"(?:[^\"\\]|\\.)*\"\n)+)msgstr ((?:\"(?:[^\"\\]|\\.)*\"\n?)+)", text, re.MULTILINE
    )
    return {joined(source): joined(target) for source, target in entries if joined(source)}


def joined(lines: str) -> str:
    return "".join(ast.literal_eval(line) for line in lines.splitlines())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_has_what_the_code_says_and_nothing_else(language):
    texts, known = texts_of_the_package(), set(catalogue(language))

    assert len(texts) > 150
    assert sorted(texts - known) == []
    assert sorted(known - texts) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_translated_and_keeps_its_placeholders(language):
    for source, target in catalogue(language).items():
        assert target.strip(), source
        assert sorted(PLACEHOLDER.findall(target)) == sorted(PLACEHOLDER.findall(source)), source
        assert source.endswith(".") == target.endswith("."), source
    assert "fuzzy" not in (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").read_text("utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_was_written(language):
    with (ROOT / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    assert {source: compiled.gettext(source) for source in catalogue(language)} == catalogue(language)


def test_the_english_catalogue_says_what_the_code_says():
    assert all(source == target for source, target in catalogue("en").items())


def test_ukrainian_is_written_in_ukrainian_letters():
    plain = {source: PLACEHOLDER.sub("", target) for source, target in catalogue("uk").items()}

    assert [source for source, target in plain.items() if not UKRAINIAN.search(target)] == []
    assert [source for source, target in plain.items() if RUSSIAN.search(target)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_says_nothing_that_is_not_marked(path):
    source = re.sub(r"{%\s*comment\s*%}.*?{%\s*endcomment\s*%}|{#.*?#}", "", path.read_text("utf-8"), flags=re.DOTALL)
    source = re.sub(r"{%\s*blocktranslate.*?{%\s*endblocktranslate\s*%}", "", source, flags=re.DOTALL)
    source = re.sub(r"{%.*?%}|{{.*?}}", "", source, flags=re.DOTALL)
    attributes = re.findall(r"\b(?:aria-label|placeholder|title|alt)=[\"']([^\"']*)", source)
    # Some blocks hold names of classes.
    visible = re.sub(r"<[^>]*>|&\w+;|\bconverse-[\w-]+", " ", source)

    assert re.findall(r"[^\W\d_]{2,}", " ".join([visible, *attributes])) == []


@pytest.mark.parametrize("error", [ConverseError, *BY_CODE.values()], ids=lambda error: error.__name__)
def test_every_sentence_about_an_error_can_be_translated(error):
    with translation.override("uk"):
        own = str(error.public)

    assert UKRAINIAN.search(own)


@pytest.mark.django_db
def test_a_page_speaks_the_readers_language(settings, django_user_model):
    settings.ROOT_URLCONF = "tests.chat.urls"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    client = Client(headers={"Accept-Language": "uk"})
    client.force_login(django_user_model.objects.create_user("леся"))

    with translation.override("en"):  # and back to what was, whatever the middleware has set
        page = client.get("/chat/").text

    assert '<html lang="uk">' in page
    assert "Нова розмова" in page
    assert "New conversation" not in page
