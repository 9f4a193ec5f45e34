"""`/v1/files` over HTTP: what is uploaded comes back byte by byte, to its own key, within limits."""

import io
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openai.types import FileDeleted, FileObject

from tests.sdk_types import check
from tests.webapp.conftest import MakeApp, wait_until
from webapp.api_keys import parse_keys
from webapp.files.file import GONE
from webapp.files.files import PART_BYTES, PARTS_AT_ONCE, Files

FORM = "multipart/form-data; boundary=b"


def upload(client: FlaskClient, content: bytes, name: str = "in.jsonl", **fields: Any) -> Any:
    form = {"purpose": "batch", **fields, "file": (io.BytesIO(content), name)}
    return client.post("/v1/files", data=form)


def stored(client: FlaskClient, content: bytes, **fields: Any) -> dict[str, Any]:
    response = upload(client, content, **fields)
    assert response.status_code == 200, response.text
    check(FileObject, response.get_json())
    found: dict[str, Any] = response.get_json()
    return found


def refusal(response: Any) -> tuple[int, str | None, str | None]:
    error = response.get_json()["error"]
    return response.status_code, error["param"], error["code"]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def store_of(app: Flask) -> Files:
    found: Files = app.extensions["hearth.files"]
    return found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\r\n--b\r\n" * 3,
        b"\r\n" * 70_000,
        bytes(range(256)) * 4096,
        b"a" * (PART_BYTES * PARTS_AT_ONCE * 2 + 17),
    ],
    ids=["empty", "a byte", "almost a boundary", "line ends", "a megabyte of all bytes", "several writes"],
)
def test_what_is_uploaded_comes_back(web: FlaskClient, content: bytes) -> None:
    file = stored(web, content)
    assert (file["bytes"], file["filename"], file["purpose"]) == (len(content), "in.jsonl", "batch")
    response = web.get(f"/v1/files/{file['id']}/content")
    assert response.data == content
    assert int(response.headers["Content-Length"]) == len(content)
    assert response.headers["Content-Disposition"] == "attachment; filename=in.jsonl"
    assert web.get(f"/v1/files/{file['id']}").get_json() == file


def test_the_purpose_may_come_after_the_file(web: FlaskClient) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    body = part % (b"file", b'; filename="/dir/a\x01b.txt"', b"one") + part % (b"purpose", b"", b"user_data")
    file = web.post("/v1/files", data=body + b"--b--\r\n", content_type=FORM).get_json()
    assert (file["filename"], file["purpose"], file["bytes"]) == ("ab.txt", "user_data", 3)


def test_when_it_expires_may_be_chosen(web: FlaskClient) -> None:
    chosen = stored(web, b"x", **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
    assert chosen["expires_at"] - chosen["created_at"] == 3600
    usual = stored(web, b"x")
    assert usual["expires_at"] - usual["created_at"] == 30 * 86400


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "nothing"}, "purpose"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "1"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after": "soon"}, "expires_after"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_kept(
    app: Flask, web: FlaskClient, fields: dict[str, str], param: str
) -> None:
    assert refusal(upload(web, b"x", **fields)) == (400, param, None)
    assert web.get("/v1/files").get_json()["data"] == []
    assert store_of(app)._database.call("gone", 10) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"no form", FORM),
        (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch', FORM),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxx', FORM),
        (b"--b\r\nX: y\r\n\r\nxx\r\n--b--\r\n", FORM),
        (b"x" * 200_000, FORM),
        (b"--b\r\n" + b"X" * 200_000, FORM),
        (b"--b--\r\n", "multipart/form-data"),
        (b"--b--\r\n", f"multipart/form-data; boundary={'b' * 300}"),
        (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n' + b"x" * 9000 + b"\r\n--b--", FORM),
        (b'--b\r\nContent-Disposition: form-data; name="p"\r\n\r\nx\r\n' * 30 + b"--b--", FORM),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n' * 2 + b"--b--", FORM),
    ],
)
def test_what_is_no_form_is_a_400(app: Flask, web: FlaskClient, body: bytes, content_type: str) -> None:
    assert web.post("/v1/files", data=body, content_type=content_type).status_code == 400
    assert web.get("/v1/files").get_json()["data"] == []
    assert store_of(app)._database.call("gone", 10) == []


def test_a_form_without_a_file_is_refused_by_name(web: FlaskClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n'
    assert refusal(web.post("/v1/files", data=body, content_type=FORM)) == (400, "file", None)


def test_json_is_no_form_and_a_form_is_no_json(web: FlaskClient) -> None:
    assert web.post("/v1/files", json={"purpose": "batch"}).status_code == 415
    assert web.post("/v1/batches", data={"endpoint": "/v1/completions"}).status_code in (404, 415)


def test_a_page_of_another_origin_uploads_nothing(web: FlaskClient) -> None:
    """A browser sends a form to another origin without asking first."""
    form = {"purpose": "batch", "file": (io.BytesIO(b"x"), "a")}
    response = web.post("/v1/files", data=form, headers={"Origin": "https://evil.example"})
    assert response.status_code == 403


def test_files_are_listed_by_pages(web: FlaskClient) -> None:
    ids = [stored(web, b"x", purpose="batch" if n % 2 else "user_data")["id"] for n in range(5)]

    def listed(**query: Any) -> Any:
        return web.get("/v1/files", query_string=query).get_json()

    newest = listed()
    assert [file["id"] for file in newest["data"]] == ids[::-1]
    assert (newest["has_more"], newest["first_id"], newest["last_id"]) == (False, ids[4], ids[0])
    first = listed(limit=2, order="asc")
    assert [file["id"] for file in first["data"]] == ids[:2]
    assert first["has_more"]
    assert [file["id"] for file in listed(limit=4, order="asc", after=ids[1])["data"]] == ids[2:]
    assert [file["id"] for file in listed(purpose="batch")["data"]] == [ids[3], ids[1]]
    assert listed(after="") == newest
    for wrong, param in [
        ({"limit": 0}, "limit"),
        ({"limit": "000000005" + "9" * 30}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "file-none"}, "after"),
    ]:
        assert refusal(web.get("/v1/files", query_string=wrong))[:2] == (400, param)


def test_another_key_sees_nothing(make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["ann:sk-ann", "bob:sk-bob"])).test_client()
    ann, bob = {"Authorization": "Bearer sk-ann"}, {"Authorization": "Bearer sk-bob"}
    form = {"purpose": "batch", "file": (io.BytesIO(b"x"), "a")}
    file = client.post("/v1/files", data=form, headers=ann).get_json()["id"]
    for method, path in [("GET", ""), ("GET", "/content"), ("DELETE", "")]:
        response = client.open(f"/v1/files/{file}{path}", method=method, headers=bob)
        assert refusal(response) == (404, "id", "file_not_found")
    assert client.get("/v1/files", headers=bob).get_json()["data"] == []
    assert client.get(f"/v1/files/{file}/content", headers=ann).data == b"x"


def test_a_deleted_file_is_gone_with_all_its_parts(app: Flask, web: FlaskClient) -> None:
    file = stored(web, b"a" * (3 * PART_BYTES))["id"]
    deleted = web.delete(f"/v1/files/{file}").get_json()
    check(FileDeleted, deleted)
    for method, path in [("GET", ""), ("GET", "/content"), ("DELETE", "")]:
        assert web.open(f"/v1/files/{file}{path}", method=method).status_code == 404
    wait_until(lambda: store_of(app)._database.call("read_parts", 1, -1) == [])
    wait_until(lambda: store_of(app)._database.call("gone", 10) == [])


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_that_is_too_large_is_a_413(make_app: MakeApp, chunked: bool) -> None:
    client = make_app(file_max_mb=0.5).test_client()
    assert upload(client, b"a" * 524_288).status_code == 200
    content = b"a" * (524_289 if chunked else 2_000_000)
    assert refusal(upload(client, content)) == (413, None, "request_too_large")
    assert len(client.get("/v1/files").get_json()["data"]) == 1


def test_a_key_has_room_for_so_much(make_app: MakeApp) -> None:
    client = make_app(files_per_key_mb=0.5).test_client()
    first = stored(client, b"a" * 300_000)
    assert refusal(upload(client, b"a" * 300_000)) == (400, "file", "file_storage_full")
    client.delete(f"/v1/files/{first['id']}")
    stored(client, b"a" * 300_000)


def test_what_has_expired_and_uploads_that_never_ended_are_swept(
    app: Flask, web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = store_of(app)
    stored(web, b"old")
    files.add("anyone", 100).write(b"x" * PART_BYTES * PARTS_AT_ONCE)
    files.sweep()
    assert len(web.get("/v1/files").get_json()["data"]) == 1
    later = time.time() + files.max_seconds + 10
    monkeypatch.setattr(time, "time", lambda: later)
    files.sweep()
    assert web.get("/v1/files").get_json()["data"] == []
    assert [files._database.call("read_parts", n, -1) for n in (1, 2)] == [[], []]
    assert files._database.call("gone", 10) == []


def test_an_upload_that_is_deleted_meanwhile_ends(app: Flask) -> None:
    addition = store_of(app).add("anyone", 100)
    addition.abandon()
    with pytest.raises(Exception, match="No such File"):
        addition.write(b"x" * PART_BYTES * PARTS_AT_ONCE)


def test_a_database_that_fails_is_a_503(make_app: MakeApp) -> None:
    client = make_app(database_url="sqlite:////nowhere/at/all.db").test_client()
    assert refusal(upload(client, b"x")) == (503, None, "file_store_unavailable")
    assert refusal(client.get("/v1/files"))[0] == 503
    assert refusal(client.get("/v1/files/file-1/content"))[0] == 503


def test_no_path_holds_up_the_database(web: FlaskClient) -> None:
    for name in ("x" * 5000, "é", "a b", "%00", "..%2f..%2fetc"):
        assert web.get(f"/v1/files/{name}").status_code == 404


def test_states_are_not_shown(app: Flask, web: FlaskClient) -> None:
    """A file that is still uploaded is no file yet."""
    store_of(app).add("anyone", 100)
    assert web.get("/v1/files").get_json()["data"] == []
    assert GONE not in web.get("/v1/files").text
