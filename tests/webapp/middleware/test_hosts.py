"""`Host` on a loopback address: what a page that rebinds its name cannot get past, and what everybody else may send."""

import pytest
from flask.testing import FlaskClient

from tests.webapp.conftest import MakeApp

LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "localhost"]
on_loopback = pytest.mark.parametrize("address", LOOPBACK)


def status(client: FlaskClient, host: str, address: str = "127.0.0.1", **headers: str) -> int:
    given = {"Host": host, **{name.title(): value for name, value in headers.items()}}
    return client.get("/openapi.json", headers=given, environ_overrides={"SERVER_NAME": address}).status_code


@on_loopback
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:6006",
        "127.0.0.1",
        "127.0.0.2:6006",
        "localhost:6006",
        "LOCALHOST",
        "localhost.:6006",
        "localhost:8080",
        "[::1]:6006",
        "192.168.1.5:6006",
        "",
    ],
)
def test_addresses_and_localhost_are_allowed(client: FlaskClient, address: str, host: str) -> None:
    assert status(client, host, address) == 200


@on_loopback
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:6006",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "evil",
        "[::1",
        "[",
        ":6006",
        "0x7f.1",
    ],
)
def test_names_are_not(client: FlaskClient, address: str, host: str) -> None:
    assert status(client, host, address) == 403


def test_the_refusal_says_which_setting_to_set(client: FlaskClient) -> None:
    response = client.post("/v1/chat/completions", json={}, headers={"Host": "evil.example"})
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (403, "host_not_allowed")
    assert "'evil.example'" in error["message"]
    assert "HEARTH_ALLOWED_HOSTS" in error["message"]


def test_a_long_host_is_not_repeated_whole(client: FlaskClient) -> None:
    response = client.get("/", headers={"Host": "x" * 8000})
    assert len(response.get_json()["error"]["message"]) < 400


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.7", "::", "hearth.example"])
def test_other_addresses_are_not_checked(client: FlaskClient, address: str) -> None:
    assert status(client, "hearth.example", address) == 200


def test_the_names_of_the_setting_are_allowed(make_app: MakeApp) -> None:
    client = make_app(allowed_hosts=("hearth.example",)).test_client()
    assert [status(client, host) for host in ("hearth.example", "HEARTH.example:80", "x.hearth.example")] == [
        200,
        200,
        403,
    ]


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("hearth.example:6006", 200),
        ("[::1]:6006,Hearth.example:80", 200),
        ("127.0.0.1:6006", 403),
        ("unix:/run/hearth.example", 403),
        ("fd://3", 403),
    ],
)
def test_the_name_it_is_bound_to_is_allowed(make_app: MakeApp, bind: str, expected: int) -> None:
    assert status(make_app(bind=bind).test_client(), "hearth.example:6006") == expected


def test_a_star_allows_all(make_app: MakeApp) -> None:
    assert status(make_app(allowed_hosts=("*",)).test_client(), "evil.example") == 200


@pytest.mark.parametrize(
    ("via", "expected"),
    [("1.1 hearth", 200), ("1.1 edge, 1.1 hearth", 200), ("1.1 squid", 403), ("hearth", 403), ("", 403), (",", 403)],
)
def test_a_proxy_decides_itself(client: FlaskClient, via: str, expected: int) -> None:
    assert status(client, "hearth.example", via=via) == expected


def test_it_comes_before_the_key(make_app: MakeApp) -> None:
    from webapp.api_keys import parse_keys

    client = make_app(api_keys=parse_keys(["sk-one"])).test_client()
    assert status(client, "evil.example") == 403
