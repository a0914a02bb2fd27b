"""The wiki's pages: loaded from files, rendered safely, found by their words."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from converse_stream.testing import ScriptedProvider
from example_project.wiki.markdown import LONGEST_PASSAGE, answer_html, page_html, sections
from example_project.wiki.models import Page, Passage, Question
from example_project.wiki.search import search
from tests.wiki.conftest import reader

pytestmark = pytest.mark.django_db

ADDRESSES = {"harbours": "/wiki/pages/harbours/"}


def test_the_projects_own_docs_become_pages():
    call_command("load_wiki", verbosity=0)

    found = search("Is a disconnect a stop?", 5)
    assert Page.objects.get(slug="concepts").title == "Concepts"
    assert "Concepts / Disconnect is not stop" in [passage.heading for passage in found]
    addresses = {page.slug: page.get_absolute_url() for page in Page.objects.all()}
    for page in Page.objects.all():
        html = page_html(page.source, page.slug, addresses.get)
        anchors = set(re.findall(r' id="([^"]+)"', html))
        assert {passage.anchor for passage in page.passages.all()} <= anchors, page.slug


def test_loading_again_changes_what_has_changed_and_nothing_else(harbours, directory):
    unchanged = set(Passage.objects.filter(page__slug="land/fjords").values_list("pk", flat=True))
    (directory / "harbours.md").write_text("# Harbours\n\nClosed in winter.\n", "utf-8")
    (directory / "README.md").unlink()

    call_command("load_wiki", directory, verbosity=0)

    assert set(Page.objects.values_list("slug", flat=True)) == {"harbours", "land/fjords"}
    assert set(Passage.objects.filter(page__slug="land/fjords").values_list("pk", flat=True)) == unchanged
    assert [passage.heading for passage in search("winter", 5)] == ["Harbours"]
    assert search("lighthouse mooring", 5) == []


def test_a_page_that_is_gone_stays_while_questions_are_under_it(harbours, directory):
    reader().post(harbours.get_absolute_url(), {"question": "lighthouse?"})
    (directory / "harbours.md").unlink()

    call_command("load_wiki", directory, verbosity=0)

    assert Page.objects.filter(slug="harbours").exists()


def test_a_directory_without_pages_is_refused(tmp_path, harbours):
    with pytest.raises(CommandError, match="no Markdown files"):
        call_command("load_wiki", tmp_path / "nowhere")
    assert Page.objects.count() == 3


def test_links_between_files_lead_to_pages_and_no_link_leads_nowhere(harbours):
    html = page_html(harbours.source, harbours.slug, {"land/fjords": "/f/"}.get)

    assert '<a href="/f/#depth">the fjords</a>' in html
    assert "<a>the tides</a>" in html
    assert '<a href="https://example.com/" rel="noopener noreferrer">elsewhere</a>' in html
    fjords = Page.objects.get(slug="land/fjords")
    assert '<a href="/h/">harbours</a>' in page_html(fjords.source, fjords.slug, {"harbours": "/h/"}.get)


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "![x](https://evil.example/?q=secret)",
    "<https://evil.example/>",
    "[x](https://evil.example/)",
    "[1](javascript:alert(1))",
    "[x][y]\n\n[y]: https://evil.example/",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_model_writes_becomes_markup_an_image_or_a_link_to_elsewhere(text):
    html = answer_html(f"{text}\n\n*so* [1]", {1: "/wiki/pages/harbours/#fees"})

    assert "<em>so</em>" in html
    assert re.findall(r"<(\w+)", html).count("a") - html.count('class="citation"') == 0
    assert set(re.findall(r"<(\w+)", html)) <= {"p", "em", "a"}
    assert set(re.findall(r'href="([^"]*)"', html)) == {"/wiki/pages/harbours/#fees"}


@pytest.mark.parametrize("text", HOSTILE[:3])
def test_nothing_of_a_page_becomes_markup(text):
    html = page_html(text, "harbours", ADDRESSES.get)

    assert set(re.findall(r"<(\w+)", html)) <= {"p"}


def test_citations_link_to_sources_that_there_are():
    html = answer_html("One [1], both [1, 2], none [3], code `[1]`", {1: "/a/", 2: "/b/"})

    assert re.findall(r'href="([^"]*)"', html) == ["/a/", "/a/", "/b/"]
    assert "none [3]" in html
    assert "<code>[1]</code>" in html


def test_a_long_section_becomes_passages_of_bearable_length():
    source = "# Long\n\n" + "\n".join(f"Line {number} of a long section." for number in range(200))

    passages = list(sections(source))

    assert len(passages) > 2
    assert all(len(each.text) < LONGEST_PASSAGE * 1.2 for each in passages)
    assert {each.anchor for each in passages} == {"long"}
    assert "\n".join(each.text for each in passages) == source.partition("\n\n")[2]


def test_headings_of_one_name_have_anchors_of_their_own():
    assert [each.anchor for each in sections("# A\n\none\n\n## A\n\ntwo\n")] == ["a", "a-1"]
    assert re.findall('id="([^"]*)"', page_html("# A\n\n## A\n", "x", {}.get)) == ["a", "a-1"]


@pytest.mark.parametrize("text", ['"', "lighthouse*", 'NEAR("', "heading:lighthouse", "-- ' ; \\", "\x00", "(", "'"])
def test_a_search_takes_any_text_for_words(harbours, text):
    found = search(text, 5)

    assert bool(found) == ("lighthouse" in text)
    assert reader().get(reverse("wiki:index"), {"q": text}).status_code == 200


def test_a_search_knows_the_forms_of_a_word_and_ranks_headings_first(harbours):
    assert [passage.heading for passage in search("lighthouse", 5)] == ["Harbours / Lighthouses"]
    assert search("the ship and a fee", 2)[0].heading == "Harbours / Fees"
    assert search("what is the", 5) == []


def test_the_search_page_shows_what_was_found(harbours):
    page = reader().get(reverse("wiki:index"), {"q": "mooring <b>"}).text

    assert f'href="{harbours.get_absolute_url()}#fees"' in page
    assert "mooring &lt;b&gt;" in page
    assert "Nothing was found" in reader().get(reverse("wiki:index"), {"q": "zebra"}).text
    assert reader().get(reverse("wiki:index"), {"q": "z" * 300}).status_code == 200


@pytest.mark.postgres
def test_the_search_uses_its_index_on_postgresql(harbours):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        with CaptureQueriesContext(connection) as queries:
            search("lighthouse", 5)
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        assert "wiki_passage_search" in str(cursor.fetchall())


def test_a_page_with_many_questions_needs_no_more_queries(harbours, settings, django_assert_max_num_queries):
    settings.CONVERSE_STREAM = {
        "RUNNER": "inline",
        "DEFAULT_MODEL": "short",
        "PROVIDERS": {"short": ScriptedProvider(["Yes [1]."], "short")},
    }
    client = reader()
    for number in range(9):
        client.post(harbours.get_absolute_url(), {"question": f"lighthouse {number}"})
    assert Question.objects.count() == 9

    with django_assert_max_num_queries(6):
        client.get(harbours.get_absolute_url())


@pytest.mark.parametrize("name", ["index", "page", "question"])
def test_the_wikis_pages_have_nothing_inline_and_nothing_from_elsewhere(harbours, name):
    client = reader()
    client.post(harbours.get_absolute_url(), {"question": "lighthouse"})
    addresses = {
        "index": reverse("wiki:index"),
        "page": reverse("wiki:page", args=["land/fjords"]),
        "question": Question.objects.get().get_absolute_url(),
    }

    page = client.get(addresses[name]).text

    assert "style=" not in page
    assert "<style" not in page
    assert "://" not in page
    assert re.findall(r"<script[^>]*>([^<]*)", page) == [""] * page.count("<script")
