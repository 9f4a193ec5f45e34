"""The documentation that a server shows of itself."""

import gzip
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from schemas.openapi.document import document
from schemas.openapi.reference import endpoints
from schemas.shared.endpoint import PROJECT_ROOT
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys


class Tags(HTMLParser):
    """All that a page would load, and whether it closes what it opens."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href") and str(value)[0] not in "#?"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_openapi_json_is_the_document(client: FlaskClient) -> None:
    response = client.get("/openapi.json")

    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.json == document()


def test_the_page_has_every_endpoint_and_field(client: FlaskClient) -> None:
    response = client.get("/docs")
    page = response.text

    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    for endpoint in endpoints(document()):
        section = re.search(rf"<b>{endpoint.method}</b> {re.escape(endpoint.path)}</h2>.*?</section>", page, re.DOTALL)
        assert section is not None
        for field in endpoint.fields:
            assert f'<tr id="{endpoint.name}.{field.path}"><td><code>{field.path}</code></td>' in section[0]


def test_the_page_loads_nothing_of_another_host(client: FlaskClient) -> None:
    page = client.get("/docs").text
    tags = Tags(page)

    assert "openapi.json" in tags.loads
    assert all(client.get(f"/{url.removeprefix('/')}").status_code == 200 for url in tags.loads)
    assert tags.open == []
    assert "://" not in page
    assert "@import" not in page and "url(" not in page


@pytest.mark.parametrize(
    ("query", "preferred", "language"),
    [
        ("", "en-US", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "de", "en"),
        ("", "", "en"),
        ("?language=zh", "en", "zh"),
        ("?language=en", "zh", "en"),
        ("?language=<b>", "zh", "zh"),
    ],
)
def test_it_is_in_the_readers_language(client: FlaskClient, query: str, preferred: str, language: str) -> None:
    response = client.get(f"/docs{query}", headers={"Accept-Language": preferred})

    assert response.headers["Content-Language"] == language
    assert response.headers["Vary"] == "Accept-Language, Accept-Encoding"
    assert f'<html lang="{language}">' in response.text
    assert ("没有找到。" in response.text) == (language == "zh")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs?language=zh"])
def test_it_is_compressed_for_clients_that_take_it(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    packed = client.get(path, headers={"Accept-Encoding": "br, gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 4


def test_text_is_escaped(client: FlaskClient) -> None:
    page = client.get("/docs").text

    assert "<code>&lt;|eot_id|&gt;</code>" in page


def test_no_key_is_asked_for(make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["secret"])).test_client()

    assert client.get("/openapi.json").status_code == 200
    assert client.get("/docs").status_code == 200
    assert client.post("/", json={"prompt": "Hello"}).status_code == 401


def test_every_route_is_documented(make_app: MakeApp) -> None:
    routes = {
        (method, re.sub(r"<(?:path:)?\w+>", "{id}", rule.rule.replace("<item_id>", "{item_id}")))
        for rule in make_app().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "page.file"
    }

    assert {(endpoint.method, endpoint.path) for endpoint in endpoints(document())} == routes


def test_a_worker_that_is_not_asked_does_not_pay() -> None:
    check = "import wsgi, sys; assert not {'apispec', 'schemas.openapi', 'opentelemetry', 'psutil'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], cwd=PROJECT_ROOT, check=True)
