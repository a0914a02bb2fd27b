"""Changing, deleting, restoring and finding conversations."""

import pytest

from converse_stream.models import Conversation, Message
from converse_stream.models.querysets import SEARCHED_LENGTH, SEARCHED_MESSAGES
from tests.records import answered

PATH = "/api/conversations/"


@pytest.fixture
def url(conversation):
    return f"{PATH}{conversation.pk}/"


class TestChanging:
    def test_what_is_sent_is_changed_and_nothing_else(self, client, conversation, url):
        conversation.system_prompt = "Be brief."
        conversation.save()

        response = client.patch(url, {"title": "New", "model": "echo:x", "options": {"top_p": 1}}, format="json")

        conversation.refresh_from_db()
        assert (response.status_code, response.json()["title"]) == (200, "New")
        assert (conversation.title, conversation.model, conversation.options) == ("New", "echo:x", {"top_p": 1})
        assert conversation.system_prompt == "Be brief."

    def test_a_change_is_seen_by_whoever_follows_the_conversation(self, client, conversation, url):
        before = conversation.revision, conversation.updated_at

        client.patch(url, {"title": "New"}, format="json")

        conversation.refresh_from_db()
        assert conversation.revision == before[0] + 1
        assert conversation.updated_at > before[1]

    def test_a_system_prompt_can_be_changed_and_is_never_sent_back(self, client, conversation, url):
        response = client.patch(url, {"system_prompt": "Be kind."}, format="json")

        conversation.refresh_from_db()
        assert conversation.system_prompt == "Be kind."
        assert b"kind" not in response.content

    def test_metadata_is_changed_key_by_key_and_only_what_is_public(self, client, conversation, url, settings):
        settings.CONVERSE_STREAM |= {"PUBLIC_METADATA": ["tab", "pin"]}
        Conversation.objects.update(metadata={"tab": 1, "pin": True, "plan": "free"})

        changed = client.patch(url, {"metadata": {"tab": 2, "pin": None}}, format="json")
        refused = client.patch(url, {"metadata": {"plan": "gold"}}, format="json")

        conversation.refresh_from_db()
        assert changed.json()["metadata"] == {"tab": 2}
        assert (refused.status_code, refused.json()) == (400, {"metadata": {"plan": ["Unknown field."]}})
        assert conversation.metadata == {"tab": 2, "plan": "free"}

    def test_options_of_the_sites_own_stay_as_they_are(self, client, conversation, url):
        Conversation.objects.update(options={"max_tokens": 100, "top_p": 1})

        response = client.patch(url, {"options": {"temperature": 0.5, "top_p": None}}, format="json")

        conversation.refresh_from_db()
        assert response.json()["options"] == {"temperature": 0.5}
        assert conversation.options == {"max_tokens": 100, "temperature": 0.5}

    @pytest.mark.parametrize(
        "body",
        [{"owner": 1}, {"title": 5 * ["x"]}, {"title": "x" * 201}, {"deleted_at": None}, {"metadata": []}],
        ids=str,
    )
    def test_what_cannot_be_changed_is_refused(self, client, conversation, url, body):
        response = client.patch(url, body, format="json")

        assert response.status_code == 400
        assert Conversation.objects.get().title == conversation.title

    def test_an_unknown_model_is_refused(self, client, url):
        assert client.patch(url, {"model": "nobody"}, format="json").json()["error"]["code"] == "unknown_model"

    def test_to_change_nothing_changes_nothing(self, client, url):
        before = Conversation.objects.values().get()

        assert client.patch(url, {}, format="json").status_code == 200
        assert Conversation.objects.values().get() == before

    def test_metadata_has_a_limit(self, client):
        response = client.post(PATH, {"metadata": {"x": "y" * 20_000}}, format="json")

        assert (response.status_code, response.json()) == (400, {"metadata": ["This object is too large."]})


class TestDeleting:
    def test_a_deleted_conversation_is_gone_and_comes_back_as_it_was(self, client, conversation, url):
        """Seeds: V-20."""
        conversation.add_user_message("Hi")

        deleted = client.delete(url)
        gone = [client.get(url), client.get(f"{url}messages/"), client.delete(url), client.patch(url, {"title": "x"})]
        restored = client.post(f"{url}restore/")

        assert (deleted.status_code, deleted.content) == (204, b"")
        assert [response.status_code for response in gone] == [404] * 4
        assert (restored.status_code, restored.json()["title"]) == (200, "Mine")
        assert client.get(f"{url}messages/").json()["results"][0]["content"] == "Hi"

    def test_the_rows_stay(self, client, conversation, url):
        conversation.add_user_message("Hi")

        client.delete(url)

        assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)

    def test_a_live_answer_is_stopped_and_keeps_its_text(self, client, conversation, url):
        stream = conversation.start_stream()
        stream.append("So far").data("progress", 1)

        client.delete(url)

        message = Message.objects.get()
        assert (message.status, message.content, message.live_in) == ("cancelled", "So far", None)

    def test_nobody_asks_in_a_deleted_conversation(self, client, conversation, url):
        client.delete(url)

        with pytest.raises(Conversation.DoesNotExist):
            conversation.ask("Hi")
        assert not Message.objects.exists()

    def test_restoring_what_is_there_changes_nothing(self, client, conversation, url):
        before = Conversation.objects.values().get()

        response = client.post(f"{url}restore/")

        assert (response.status_code, Conversation.objects.values().get()) == (200, before)

    def test_the_deleted_ones_can_be_listed(self, client, owner, url, conversation):
        kept = Conversation.objects.create(owner=owner)
        client.delete(url)

        listed = {
            query: [row["id"] for row in client.get(f"{PATH}{query}").json()["results"]]
            for query in ("", "?deleted=true", "?deleted=false")
        }

        assert listed == {"": [str(kept.pk)], "?deleted=true": [str(conversation.pk)], "?deleted=false": [str(kept.pk)]}


class TestSearching:
    @pytest.fixture
    def find(self, client):
        def find(text, **query):
            return [row["title"] for row in client.get(PATH, {"search": text, **query}).json()["results"]]

        return find

    @pytest.fixture
    def titled(self, owner):
        return lambda title, owner=owner: Conversation.objects.create(owner=owner, title=title)

    def test_words_are_found_in_titles_questions_and_answers(self, find, titled):
        titled("Fjords of Norway")
        titled("One").add_user_message("What is a FJORD?")
        answered(titled("Two"), "A fjord is an inlet.")
        titled("Three").add_user_message("What is a lake?")

        assert find("fjord") == ["Two", "One", "Fjords of Norway"]

    def test_a_conversation_is_found_once(self, find, titled):
        one = titled("fjord")
        for _ in range(3):
            one.add_user_message("fjord")

        assert find("fjord") == ["fjord"]

    def test_nothing_of_anybody_else_is_found(self, find, titled, stranger):
        titled("Theirs: fjord", stranger).add_user_message("fjord")

        assert find("fjord") == []

    def test_system_prompts_and_system_messages_are_not_searched(self, find, titled):
        one = titled("One")
        one.add_system_message("Never mention the fjord.")
        Conversation.objects.update(system_prompt="fjord")

        assert find("fjord") == []

    @pytest.mark.parametrize("text", ["%", "_", "\\", "100%", "'", '"; DROP', "\x00", "é", "[a-z]"])
    def test_characters_mean_themselves(self, find, titled, text):
        titled("a plain title")
        titled(f"with {text}".replace("\x00", "\ufffd"))

        assert find(text) == [f"with {text}".replace("\x00", "\ufffd")]

    def test_the_deleted_ones_can_be_searched(self, find, titled):
        titled("fjord one").soft_delete()
        titled("fjord two")

        assert (find("fjord"), find("fjord", deleted="true")) == (["fjord two"], ["fjord one"])

    def test_what_a_search_looks_into_is_bounded(self, find, titled):
        one = titled("One")
        rows = [
            Message(conversation=one, number=number, role="user", content="fjord" if number == 1 else "lake")
            for number in range(1, SEARCHED_MESSAGES + 2)
        ]
        for row in rows:
            Message.objects.bulk_create([row]) if row.number == 1 else None
        Message.objects.bulk_create(rows[1:])
        long = titled("Two")
        Message.objects.create(conversation=long, number=1, role="user", content="lake", length=SEARCHED_LENGTH + 1)

        assert find("fjord") == []
        assert find("lake") == ["One"]

    @pytest.mark.parametrize("query", ["search=" + 101 * "x", "deleted=maybe"])
    def test_a_search_that_makes_no_sense_is_refused(self, client, query):
        assert client.get(f"{PATH}?{query}").status_code == 400

    def test_pages_keep_what_was_searched_for(self, client, titled):
        for number in range(5):
            titled(f"fjord {number}")
            titled(f"lake {number}")

        seen, url = [], f"{PATH}?search=fjord&page_size=2"
        while url:
            page = client.get(url).json()
            seen += [row["title"] for row in page["results"]]
            url = page["next"]

        assert seen == [f"fjord {number}" for number in (4, 3, 2, 1, 0)]
