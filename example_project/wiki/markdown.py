"""Markdown to HTML, of pages and of answers, and Markdown to passages.

No HTML of an author's or a model's comes through. An answer can link to its sources and to nothing else, and shows no
image, as an address that a model wrote could carry away what it was told.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

LONGEST_PASSAGE = 1600
"""Characters after which a long section goes on in another passage."""
LONGEST_TITLE = 200
_CITATION = re.compile(r"\[(\d{1,3}(?:, ?\d{1,3})*)\]")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
_OUTWARD = "noopener noreferrer"


@dataclass(frozen=True, slots=True)
class Section:
    """What a passage will be."""

    heading: str
    """The headings above it, outermost first."""
    anchor: str
    text: str


def page_html(source: str, slug: str, address: Callable[[str], str | None]) -> SafeString:
    """Return a page as HTML. `address` gives the URL of a page by its slug, None for one that there is not."""
    tokens = _PAGE.parse(source)
    for token in tokens:
        for child in token.children or ():
            _settle(child, slug, address)
    for heading, anchor, _title in _headings(tokens):
        heading.attrSet("id", anchor)
    return SafeString(_PAGE.renderer.render(tokens, _PAGE.options, {}))


def answer_html(text: str, sources: Mapping[int, str]) -> SafeString:
    """Return an answer as HTML, in which `[1]` links to the URL that `sources` has for 1."""
    return SafeString(_ANSWER.render(text, {"sources": sources}))


def title_of(source: str) -> str:
    """Return the first heading."""
    return next((title for _token, _anchor, title in _headings(_PAGE.parse(source))), "")[:LONGEST_TITLE]


def sections(source: str) -> Iterator[Section]:
    """Yield a page's sections in order; a long one as several."""
    lines = source.splitlines()
    trail: list[tuple[str, str]] = []
    headings = list(_headings(_PAGE.parse(source)))
    ends = [_first_line(token) for token, _anchor, _title in headings[1:]] + [len(lines)]
    for (token, anchor, title), end in zip(headings, ends, strict=True):
        trail = [each for each in trail if each[0] < token.tag] + [(token.tag, title)]
        start = token.map[1] if token.map else 0
        for text in _pieces(lines[start:end]):
            yield Section(" / ".join(title for _level, title in trail), anchor, text)


def _pieces(lines: list[str]) -> Iterator[str]:
    piece: list[str] = []
    for line in lines:
        if sum(map(len, piece)) + len(line) > LONGEST_PASSAGE and piece:
            yield "\n".join(piece).strip()
            piece = []
        piece.append(line)
    if text := "\n".join(piece).strip():
        yield text


def _headings(tokens: list[Token]) -> Iterator[tuple[Token, str, str]]:
    """Yield the headings that stand at the outermost level: token, anchor (as GitHub makes it) and title."""
    seen: Counter[str] = Counter()
    for token, inline in pairwise(tokens):
        if token.type != "heading_open" or token.level:
            continue
        title = "".join(child.content for child in inline.children or ())
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        yield token, f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor, title
        seen[anchor] += 1


def _first_line(token: Token) -> int:
    return token.map[0] if token.map else 0


def _settle(token: Token, slug: str, address: Callable[[str], str | None]) -> None:
    """Make a link of the repository lead to a page, or nowhere; show an image by its words."""
    if token.type == "image":
        token.type, token.tag = "text", ""
    if token.type != "link_open":
        return
    href = str(token.attrGet("href") or "")
    if _ELSEWHERE.match(href):
        token.attrSet("rel", _OUTWARD)
        return
    path, mark, anchor = href.partition("#")
    if not path:
        return
    other = posixpath.normpath(posixpath.join(posixpath.dirname(slug), path))
    url = address(other.removesuffix(".md")) if other.endswith(".md") else None
    token.attrs = {"href": f"{url}{mark}{anchor}"} if url else {}


def _cite(state: StateInline, silent: bool) -> bool:
    """Turn `[1]` and `[1, 2]` into links, if there are such sources."""
    match = _CITATION.match(state.src, state.pos)
    if match is None:
        return False
    sources = state.env["sources"]
    numbers = [int(number) for number in match[1].split(",")]
    if any(number not in sources for number in numbers):
        return False
    if not silent:
        for number in numbers:
            state.push("link_open", "a", 1).attrs = {"href": sources[number], "class": "citation"}
            state.push("text", "", 0).content = f"[{number}]"
            state.push("link_close", "a", -1)
    state.pos = match.end()
    return True


_PAGE = MarkdownIt("commonmark", {"html": False}).enable("table")
_ANSWER = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
_ANSWER.inline.ruler.before("link", "citation", _cite)
