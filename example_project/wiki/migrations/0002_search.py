"""The indexes of the search. On SQLite triggers keep the table of FTS5 in step with the passages."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import migrations

FTS5 = [
    """
    CREATE VIRTUAL TABLE wiki_passage_index USING fts5(
        heading, text, content='wiki_passage', content_rowid='id', tokenize='porter unicode61'
    )
    """,
    """
    CREATE TRIGGER wiki_passage_inserted AFTER INSERT ON wiki_passage BEGIN
        INSERT INTO wiki_passage_index(rowid, heading, text) VALUES (new.id, new.heading, new.text);
    END
    """,
    """
    CREATE TRIGGER wiki_passage_deleted AFTER DELETE ON wiki_passage BEGIN
        INSERT INTO wiki_passage_index(wiki_passage_index, rowid, heading, text)
        VALUES ('delete', old.id, old.heading, old.text);
    END
    """,
    """
    CREATE TRIGGER wiki_passage_updated AFTER UPDATE ON wiki_passage BEGIN
        INSERT INTO wiki_passage_index(wiki_passage_index, rowid, heading, text)
        VALUES ('delete', old.id, old.heading, old.text);
        INSERT INTO wiki_passage_index(rowid, heading, text) VALUES (new.id, new.heading, new.text);
    END
    """,
    "INSERT INTO wiki_passage_index(wiki_passage_index) VALUES ('rebuild')",
]
UNDO = [
    "DROP TRIGGER wiki_passage_inserted",
    "DROP TRIGGER wiki_passage_deleted",
    "DROP TRIGGER wiki_passage_updated",
    "DROP TABLE wiki_passage_index",
]
GIN = GinIndex(
    SearchVector("heading", weight="A", config="english") + SearchVector("text", weight="B", config="english"),
    name="wiki_passage_search",
)


def make(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for statement in FTS5:
            schema_editor.execute(statement)
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.add_index(apps.get_model("wiki", "Passage"), GIN)


def unmake(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for statement in UNDO:
            schema_editor.execute(statement)
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.remove_index(apps.get_model("wiki", "Passage"), GIN)


class Migration(migrations.Migration):
    dependencies = [("wiki", "0001_initial")]
    operations = [migrations.RunPython(make, unmake)]
