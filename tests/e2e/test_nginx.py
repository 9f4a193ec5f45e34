"""Behind nginx, as deploy/nginx sets it up: what a client sees through it, and what the engine sees of the client."""

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.activation import activated
from tests.e2e.load import Load
from tests.e2e.masters import reload_workers, replace_master, replaceable
from tests.e2e.nginx import SHIPPED, Nginx, nginx
from tests.harness import JSON, Hearth, chat_body, endless, until

CHAT = "/v1/chat/completions"


@pytest.fixture
def proxy(hearth: Hearth, tmp_path: Path) -> Iterator[Nginx]:
    with nginx(tmp_path, hearth.port) as running:
        yield running


def test_a_stream_comes_while_it_is_generated_and_ends_with_its_client(hearth: Hearth, proxy: Nginx) -> None:
    body = endless(n=1, stream=True)
    with httpx.stream("POST", proxy.url + CHAT, json=body, timeout=120) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        events = (line for line in response.iter_lines() if line.startswith("data: "))
        for _ in range(5):
            assert '"finish_reason":null' in next(events)
            assert hearth.live() == 1, "it is still being generated"
    until(lambda: hearth.live() == 0, 60, "the client's departure has reached the engine")


def test_a_client_that_leaves_before_an_answer(hearth: Hearth, proxy: Nginx) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(proxy.url + CHAT, json=endless(), timeout=httpx.Timeout(60, read=2))
    until(lambda: hearth.live() == 0, 60, "the client's departure has reached the engine")


def test_one_connection_to_the_web_tier_serves_many_clients(hearth: Hearth, proxy: Nginx) -> None:
    seen = set()
    for _ in range(10):
        assert httpx.post(proxy.url + CHAT, json=chat_body("Hello", max_tokens=2), timeout=60).status_code == 200
        seen |= proxy.upstream_ports(hearth.port)
    assert len(seen) < 5, "a new one for each request would be ten"  # a slow machine lets some fall idle


def test_a_body_that_is_too_large(proxy: Nginx) -> None:
    response = httpx.post(proxy.url + CHAT, content=b" " * (17 * 1024 * 1024), headers=JSON, timeout=60)
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["error"]["code"] == "request_too_large"


def test_the_largest_body_reaches_the_web_tier(proxy: Nginx) -> None:
    response = httpx.post(proxy.url + CHAT, content=b" " * (16 * 1024 * 1024), headers=JSON, timeout=60)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_too_many_connections_at_once(proxy: Nginx) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n".encode()  # nginx waits for the body
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(proxy.address, timeout=60)).sendall(head)
        response = until(lambda: refused(proxy), 60, "one connection more is refused")
    assert response.headers["Retry-After"] == "1"
    assert response.json()["error"]["type"] == "rate_limit_error"


def refused(proxy: Nginx) -> httpx.Response | None:
    response = httpx.get(proxy.url + "/version", timeout=60)
    return response if response.status_code == 429 else None


def test_without_a_web_tier(hearth: Hearth, proxy: Nginx) -> None:
    hearth.stop_web()
    response = httpx.post(proxy.url + CHAT, json=chat_body("Hello"), timeout=60)
    hearth.start_web()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json()["error"]["code"] == "web_tier_gone"


def test_probes(proxy: Nginx) -> None:
    for path in ("/health", "/ready"):
        assert httpx.get(proxy.url + path, timeout=60).status_code == 200


def test_tls(hearth: Hearth, tmp_path: Path) -> None:
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*make.split(), "-keyout", "privkey.pem", "-out", "fullchain.pem"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    snippet = (SHIPPED / "hearth-tls.conf").read_text().replace("listen [::]:443 ssl http2;\n", "")
    snippet = snippet.replace("/etc/hearth/tls", str(tmp_path)).replace("listen 443 ", "listen 127.0.0.1:PORT ")
    trust = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
    with nginx(tmp_path, hearth.port, snippet) as proxy:
        response = httpx.post(proxy.url + CHAT, json=chat_body("Who are you?"), verify=trust, timeout=60)
    assert "Hearth" in response.text
    assert "Strict-Transport-Security" in response.headers


# ---- restarts of the web tier, under load ----


def test_hup(hearth: Hearth, proxy: Nginx) -> None:
    with Load(proxy.url) as load:
        for _ in range(3):
            reload_workers(hearth)
            load.goes_on()
    load.check()


def test_a_new_master(hearth: Hearth, proxy: Nginx) -> None:
    with replaceable(hearth), Load(proxy.url) as load:
        replace_master(hearth)
        load.goes_on()
    load.check()


def test_a_full_restart_with_systemds_socket(hearth: Hearth, proxy: Nginx) -> None:
    with activated(hearth) as web, Load(proxy.url) as load:
        web.restart()
        load.goes_on()
    load.check()
