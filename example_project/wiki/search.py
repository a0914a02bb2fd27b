"""Full-text search: FTS5 on SQLite, a search vector on PostgreSQL. The migrations make their indexes."""

import re
from functools import reduce
from operator import or_

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import NotSupportedError, connections, router

from example_project.wiki.models import Passage

MOST_WORDS = 32
_VECTOR = SearchVector("heading", weight="A", config="english") + SearchVector("text", weight="B", config="english")
_FTS5 = """
    SELECT rowid FROM wiki_passage_index WHERE wiki_passage_index MATCH %s
    ORDER BY bm25(wiki_passage_index, 4, 1), rowid LIMIT %s
"""
# PostgreSQL's dictionary leaves these out by itself.
_FILLERS = """
    a about an and any are as at be but by can could did do does for from give had has have how i if in into is it its
    just me my no not of on or our please s should so t tell than that the their them then there these they this to us
    was we were what when where which who whom why will with would you your
"""


def search(text: str, limit: int) -> list[Passage]:
    """Return the passages that share the most with `text`, best first; any of its words will do."""
    words = [word for word in dict.fromkeys(re.findall(r"[^\W_]+", text.lower())) if word not in _FILLERS.split()]
    using = router.db_for_read(Passage)
    vendor = connections[using].vendor
    if vendor not in _SEARCHES:
        raise NotSupportedError(f"the wiki searches on SQLite and PostgreSQL, not on {vendor}")
    found = _SEARCHES[vendor](words[:MOST_WORDS], limit, using) if words else []
    passages = Passage.objects.using(using).select_related("page").in_bulk(found)
    return [passages[each] for each in found if each in passages]


def _on_sqlite(words: list[str], limit: int, using: str) -> list[int]:
    with connections[using].cursor() as cursor:
        # In quotation marks a word is nothing but a word.
        cursor.execute(_FTS5, [" OR ".join(f'"{word}"' for word in words), limit])
        return [row[0] for row in cursor.fetchall()]


def _on_postgresql(words: list[str], limit: int, using: str) -> list[int]:
    query = reduce(or_, (SearchQuery(word, config="english") for word in words))
    found = Passage.objects.using(using).annotate(document=_VECTOR, rank=SearchRank(_VECTOR, query))
    return list(found.filter(document=query).order_by("-rank", "pk").values_list("pk", flat=True)[:limit])


_SEARCHES = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}
