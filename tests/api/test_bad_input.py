"""Whatever bytes arrive, the answer is a 4xx or what was sent, cleaned: never a 500, never half a write."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from converse_stream.models import Conversation, Message

JSON = "application/json"


@pytest.fixture
def path(conversation):
    return f"/api/conversations/{conversation.pk}/messages/"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (r'"a\ud800b"', "a\ufffdb"),
        (r'"a\udc00b"', "a\ufffdb"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"a\u0000b"', "a\ufffdb"),
        ('"\u2028 \u202e \ufeff"', "\u2028 \u202e \ufeff"),
        (r'"data: [DONE]\n\nevent: x"', "data: [DONE]\n\nevent: x"),
        ('"  kept  "', "  kept  "),
    ],
)
def test_text_is_stored_as_every_database_can(client, path, sent, stored):
    response = client.post(path, f'{{"content": {sent}}}'.encode(), content_type=JSON)

    assert response.status_code == 202
    assert response.json()["user_message"]["content"] == stored
    assert Message.objects.get(number=1).content == stored


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b'{"content": NaN}',
        b'{"content": null}',
        b'{"content": true}',
        b'{"content": ["x"]}',
        b'{"content": {"x": 1}}',
        b'{"content": "x", "model": 5.5e300}',
        b'{"content": "x", "model": ["demo"]}',
        b'{"content": "x", "\\ud800": 1}',
        b'{"content": "x", "\\u0000": 1}',
        b'{"content": "x", "model": "\\ud800"}',
        b'{"content": "\xff"}',
        b'{"content": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"content": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"content": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    ],
    ids=lambda body: body[:30].decode("ascii", "replace"),
)
def test_a_body_that_makes_no_sense_is_a_bad_request(client, path, body):
    response = client.post(path, body, content_type=JSON)

    assert response.status_code == 400
    assert response.json()
    assert not Message.objects.exists()


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "no-such", "bz2_codec", "idna", "utf-7"])
def test_a_charset_is_honoured_or_refused(client, path, charset):
    response = client.post(path, b'{"content": "x"}', content_type=f"{JSON}; charset={charset}")

    assert response.status_code in (202, 400)


def test_a_media_type_that_nobody_parses_is_refused(client, path):
    assert client.post(path, b"hello", content_type="text/plain").status_code == 415


@pytest.mark.parametrize("content_type", [JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_over_djangos_limit_is_too_large(client, path, settings, content_type):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    bodies = {
        JSON: json.dumps({"content": "x" * 2_000}),
        "application/x-www-form-urlencoded": f"content={'x' * 2_000}",
    }
    part = f'--x\r\nContent-Disposition: form-data; name="content"\r\n\r\n{"x" * 2_000}\r\n--x--\r\n'

    response = client.post(path, bodies.get(content_type, part).encode(), content_type=content_type)

    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert not Message.objects.exists()


def test_a_file_is_no_content(client, path, tmp_path):
    file = tmp_path / "hello.txt"
    file.write_text("hello")

    with file.open("rb") as upload:
        response = client.post(path, {"content": upload}, format="multipart")

    assert response.status_code == 400


@pytest.mark.parametrize(
    "position", ["p=abc", "p=%00", "p=9" + "9" * 40, "p=-1&o=5", "o=-1", "r=x", "o=99999999999", "\xff"]
)
@pytest.mark.parametrize("which", ["conversations", "messages"])
def test_a_forged_page_cursor_finds_nothing_or_something_but_never_breaks(client, path, position, which):
    cursor = base64.b64encode(position.encode("latin-1")).decode()

    response = client.get("/api/conversations/" if which == "conversations" else path, {"cursor": cursor})

    assert response.status_code in (200, 404)


STRANGE = ["cursor=%00", "cursor=é", "page_size=x", "page_size=-1", "page_size=0", "page_size=101", "page_size=²"]
STRANGE += ["ordering=owner", "ordering=%00", "ordering="]


@pytest.mark.parametrize("query", STRANGE)
def test_a_strange_query_never_breaks_a_list(client, path, query):
    assert client.get(f"{path}?{query}").status_code in (200, 400, 404)


def test_metadata_is_cleaned_in_keys_and_values(client):
    body = rb'{"metadata": {"a\u0000": "\ud800", "n": [1, 2.5, null, {"x": "\u0000"}]}}'

    response = client.post("/api/conversations/", body, content_type=JSON)

    assert response.status_code == 201
    stored = Conversation.objects.get().metadata
    assert stored == {"a\ufffd": "\ufffd", "n": [1, 2.5, None, {"x": "\ufffd"}]}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(["content", "model", "title", "metadata", "system_prompt", "role"]) | st.text(max_size=8)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(names, values, max_size=4), which=st.booleans())
def test_no_json_object_breaks_the_api(client, path, body, which):
    target = path if which else "/api/conversations/"

    response = client.post(target, json.dumps(body).encode(), content_type=JSON)

    assert response.status_code in (201, 202, 400)
    assert json.loads(response.content)
