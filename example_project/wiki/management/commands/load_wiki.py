"""`manage.py load_wiki [directory]`: make the wiki's pages from the Markdown files of a directory."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from example_project.wiki.markdown import sections, title_of
from example_project.wiki.models import Page, Passage

DOCS = Path(__file__).parents[4] / "docs"


class Command(BaseCommand):
    help = "Make the wiki's pages from the Markdown files of a directory, docs/ if none is given; run it again at will."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", nargs="?", type=Path, default=DOCS)

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        files = sorted(directory.rglob("*.md"))
        if not files:
            raise CommandError(f"There are no Markdown files in {directory}.")
        with transaction.atomic():
            sources = {str(file.relative_to(directory).with_suffix("")): file.read_text("utf-8") for file in files}
            # A page that is gone stays as long as somebody's questions are under it.
            Page.objects.exclude(slug__in=sources).filter(questions=None).delete()
            known = dict(Page.objects.values_list("slug", "source"))
            changed = {slug: source for slug, source in sources.items() if known.get(slug) != source}
            for slug, source in changed.items():
                _load(slug, source)
        if options["verbosity"]:
            self.stdout.write(f"{len(sources)} pages, {len(changed)} of them new or changed.")


def _load(slug: str, source: str) -> None:
    page, _created = Page.objects.update_or_create(slug=slug, defaults={"title": title_of(source), "source": source})
    page.passages.all().delete()
    Passage.objects.bulk_create(
        Passage(page=page, number=number, heading=each.heading, anchor=each.anchor, text=each.text)
        for number, each in enumerate(sections(source))
    )
