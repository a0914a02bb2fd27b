"""Code gets its colours when its block is closed and in view, and stays text all the same."""

from typing import Any

import pytest

from tests.browser.stage import facts, stage, written

pytestmark = pytest.mark.browser

CODE = 'def greet(name: str) -> str:\n    # a word\n    return f"Hello {name}" + str(3)\n'
MARKUP = "<p onclick=\"alert('me')\">one</p>\n<script>var harm = 2;</script>\n<style>p { color: red }</style>\n"
TURNED = "access = 'user\u202e'  # admin\n"
WORDS = ["def", "return", "a word", "3"]


def fenced(language: str, code: str) -> str:
    return f"Look:\n\n```{language}\n{code}```\n\nThat is it.\n"


def opened(browser: Any, address: str) -> tuple[Any, list[str], list[str]]:
    """Return the page, and what it fetches of the library and complains about."""
    page, fetched, complaints = browser.new_page(), [], []
    page.on("request", lambda request: fetched.append(request.url) if "/vendor/highlight/" in request.url else None)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    return page, fetched, complaints


def coloured(page: Any) -> Any:
    """Return the block of code once it has colours."""
    page.locator("figure.code code span[class^=hl-]").first.wait_for()
    return page.locator("figure.code code")


def test_code_has_colours_and_is_the_same_text(browser: Any) -> None:
    with stage([written(1, "user", "How?"), written(2, "assistant", fenced("Python", CODE))]) as address:
        page, fetched, complaints = opened(browser, address)
        code = coloured(page)

        assert code.text_content() == CODE.rstrip()
        assert [span for span in code.locator("span").all_text_contents() if span in WORDS] == ["def", "return", "3"]
        colours = {span.evaluate("span => getComputedStyle(span).color") for span in code.locator("span").all()}
        assert len(colours) > 3
        assert [url.rsplit("/", 1)[1] for url in fetched] == ["core.min.js", "python.min.js"]
        assert complaints == []
        page.close()


@pytest.mark.parametrize(("language", "code"), [("html", MARKUP), ("py", TURNED)])
def test_what_a_model_wrote_stays_text(browser: Any, language: str, code: str) -> None:
    with stage([written(1, "user", "How?"), written(2, "assistant", fenced(language, code))]) as address:
        page, _, complaints = opened(browser, address)
        block = coloured(page)

        assert block.text_content() == code.rstrip()
        assert block.locator("script, style, p").count() == 0
        assert block.locator("bdi.turn").count() == code.count("\u202e")
        assert complaints == []
        page.close()


def test_nothing_is_loaded_for_what_has_no_colours_or_is_out_of_sight(browser: Any) -> None:
    plain = fenced("", CODE) + fenced("klingon", CODE) + fenced("python", "x = 1\n" * 3_000)
    above = [written(2, "assistant", fenced("python", CODE) + "Line.\n\n" * 300), written(3, "user", "More?")]
    with stage([written(1, "user", "How?"), *above, written(4, "assistant", plain)]) as address:
        page, fetched, _ = opened(browser, address)
        page.locator("article").last.get_by_text("klingon").wait_for()
        page.locator("article").last.locator("figure.code").last.scroll_into_view_if_needed()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

        assert fetched == []
        page.locator(".pane").evaluate("pane => pane.scrollTop = 0")
        assert coloured(page).first.text_content() == CODE.rstrip()
        assert len(fetched) == 2
        page.close()


def test_a_block_that_is_written_is_coloured_once_it_is_closed(browser: Any) -> None:
    def score(play: Any) -> None:
        play("start", {"start": 0, "message": facts(2, "assistant", "streaming")})
        text = fenced("python", CODE)
        play("text", {"start": 0, "text": text})

    with stage([written(1, "user", "How?")], score) as address:
        page, _, complaints = opened(browser, address)

        assert coloured(page).text_content() == CODE.rstrip()
        assert complaints == []
        page.close()
