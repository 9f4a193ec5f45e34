"""The real application over a fake engine; every test has an end, and leaves no greenlet behind."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from gevent.pool import Group
from gevent.threadpool import ThreadPool

from tests.fake_engine import FakeEngine
from webapp.app import create_app
from webapp.engine import client as engine_client
from webapp.engine.client import EngineClient
from webapp.settings import Settings

MakeApp = Callable[..., Flask]


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """No wait of a test may last: whatever it waits for is taken for lost after this many seconds."""
    with gevent.Timeout(20, TimeoutError("the test still waits after 20 s")):
        yield


@pytest.fixture(autouse=True)
def greenlets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """End what a test has spawned: the product's own loops last as long as their process."""
    group = Group()
    monkeypatch.setattr(gevent, "spawn", group.spawn)
    yield group
    group.kill()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A default server's settings, with an endpoint where nobody answers unless the test asks for `engine`."""
    return Settings(
        bind="127.0.0.1:0",
        workers=1,
        run_dir=tmp_path,
        endpoint=f"ipc://{tmp_path}/engine.sock",
        curve_keys=None,
        engine_spawn=False,
        allowed_hosts=(),
        cors_origins=(),
        require_json_type=True,
        api_keys=(),
        api_keys_file=None,
        admin_key=None,
        share_prefix_cache=False,
        strict_model=False,
        strict_fields=False,
        max_choices=128,
        max_body_bytes=1024 * 1024,
        body_seconds=5.0,
        graceful_seconds=1,
        request_seconds=60.0,
        recovery_seconds=10.0,
        database_url=f"sqlite:///{tmp_path}/conversations.db",
        conversation_max_days=30,
        conversation_max_mb=1024,
        conversation_each_mb=4,
        jobs_at_once=4,
        jobs_per_key=1000,
        resume_seconds=60.0,
        retention_hours=24.0,
        file_max_mb=200.0,
        files_per_key_mb=2048.0,
        file_max_days=30.0,
        batch_at_once=8,
        batch_max_lines=50_000,
        log_format="console",
    )


@pytest.fixture
def make_app(settings: Settings, greenlets: Group) -> Iterator[MakeApp]:
    """Build the application with some settings changed."""
    built: list[Flask] = []

    def make(**changes: Any) -> Flask:
        app = create_app(dataclasses.replace(settings, **changes))
        built.append(app)
        return app

    yield make
    greenlets.kill()
    for app in built:
        close_socket(app.extensions["hearth"].engine)
        app.extensions["hearth"].conversations.close()
        app.extensions["hearth.jobs"].close()
        app.extensions["hearth.files"].close()
        app.extensions["hearth.batches"].close()


@pytest.fixture
def client(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A client of a server without an engine, which does not wait for one."""
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.02)
    return make_app().test_client()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with FakeEngine(tmp_path) as running:
        yield running


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[list[FakeEngine]]:
    """One for each of two workers."""
    directories = [tmp_path / name for name in ("one", "two")]
    for directory in directories:
        directory.mkdir()
    with FakeEngine(directories[0]) as one, FakeEngine(directories[1]) as two:
        yield [one, two]


@pytest.fixture
def served(engine: FakeEngine, make_app: MakeApp) -> FlaskClient:
    """A client of a server whose engine is `engine`."""
    return make_app().test_client()


@pytest.fixture
def wire_client(engine: FakeEngine, greenlets: Group) -> Iterator[EngineClient]:
    """The web tier's half of the wire alone, over `engine`."""
    client = EngineClient(engine.endpoint, recovery_seconds=10.0, threads=ThreadPool(1))
    yield client
    greenlets.kill()
    close_socket(client)


def close_socket(client: EngineClient) -> None:
    if client._dealer is not None:
        client._dealer.close()


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the greenlets and the fake engine work until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        gevent.sleep(0.005)
