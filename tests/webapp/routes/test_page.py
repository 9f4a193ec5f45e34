"""The pages' HTML, and which of their files a browser may keep."""

import re

import pytest
from flask.testing import FlaskClient

from tests.webapp.conftest import MakeApp
from webapp import page_files

KEPT, ASKED = "public, max-age=31536000, immutable", "no-cache"


@pytest.mark.parametrize("path", ["/", "/status", "/docs", "/docs?language=zh"])
def test_a_page_names_all_of_its_modules_by_this_releases_version(client: FlaskClient, path: str) -> None:
    html = client.get(path).text
    named = re.findall(r'(?:src|href)="(/page/[^"]+)"', html)
    assert all(name.startswith(f"/page/{page_files.version()}/") for name in named)
    modules = re.findall(r'rel="modulepreload" href="([^"]+)"', html)
    assert len(set(modules)) == len(modules) > 1
    for name in {*named}:
        answer = client.get(name)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, KEPT), name
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_what_pages_share_is_worked_out_before_the_first_request(make_app: MakeApp) -> None:
    for shared in (page_files.html, page_files.version):
        shared.cache_clear()
    client = make_app().test_client()
    before = [shared.cache_info().misses for shared in (page_files.html, page_files.version)]
    for path in ("/", "/status", f"/page/{page_files.version()}/chat/chat.js"):
        assert client.get(path).status_code == 200
    assert [shared.cache_info().misses for shared in (page_files.html, page_files.version)] == before


def test_every_file_of_the_pages_has_its_media_type(client: FlaskClient) -> None:
    found = page_files.FILES.rglob("*")
    files = [file for file in found if file.is_file() and not file.name.startswith("LICENSE")]
    names = {file.suffix: file.relative_to(page_files.FILES) for file in files}
    assert {suffix: client.get(f"/page/{name}").mimetype for suffix, name in names.items()} == {
        ".css": "text/css",
        ".html": "text/html",
        ".js": "text/javascript",
        ".json": "application/json",
        ".mjs": "text/javascript",
        ".svg": "image/svg+xml",
        ".webmanifest": "application/manifest+json",
        ".woff2": "font/woff2",
    }


@pytest.mark.parametrize("prefix", ["", "0123456789ab/"], ids=["no version", "another release's"])
def test_a_file_of_no_version_or_of_another_is_asked_for_again(client: FlaskClient, prefix: str) -> None:
    answer = client.get(f"/page/{prefix}chat/chat.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, ASKED)
    assert answer.data == (page_files.FILES / "chat/chat.js").read_bytes()


@pytest.mark.parametrize("name", ["", "0123456789ab", "0123456789ab/", "0123456789ab/../../app.py", "chat", "nothing"])
def test_what_is_no_file_is_not_found(client: FlaskClient, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/status"])
def test_a_page_that_has_not_changed_is_not_sent_again(client: FlaskClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["Cache-Control"] == ASKED
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_module_that_runs_later_is_not_named() -> None:
    assert "markdown/formula.js" not in page_files.modules("chat/chat.js")
    assert page_files.modules("shared/element.js") == []
