"""Two web hosts that share conversations through a real PostgreSQL, from Debian's packages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Hearth, until
from tests.postgres import Postgres, running_postgres

pytestmark = pytest.mark.field("conversation_id")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def hosts(hearth: Hearth, postgres: Postgres, tmp_path: Path) -> Iterator[list[Hearth]]:
    """Two web tiers that start at the same time, over the one engine and an empty database."""
    engine = {"HEARTH_ENGINE_ENDPOINT": f"ipc://{hearth.run_dir}/engine.sock", "HEARTH_ENGINE_SPAWN": "0"}
    webs = [Hearth(tmp_path / name, HEARTH_DATABASE_URL=postgres.url, **engine) for name in ("one", "two")]
    try:
        for web in webs:
            web.start_web()
        yield webs
    finally:
        for web in webs:
            if web.web is not None:
                web.stop_web()


def kept(host: Hearth, name: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = host.get(f"/v1/conversations/{name}").json()["messages"]
    return messages


def test_hosts_share_conversations(hosts: list[Hearth], postgres: Postgres) -> None:
    one, two = hosts

    def say(number: int) -> str:
        return hosts[number % 2].chat(f"Question {number}", conversation_id="many", max_tokens=4)

    # The first requests of all: four workers make the table at once.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(say, range(12)))
    assert kept(one, "many") == kept(two, "many")
    assert len(kept(one, "many")) == 24
    assert sorted(message["content"] for message in kept(one, "many")[1::2]) == sorted(answers)

    one.chat("我叫小明。", conversation_id="小明")
    one.stop_web()
    two.stop_web()
    two.start_web()
    assert two.chat("我叫什么名字？", conversation_id="小明") == "你叫小明。"

    postgres.stop()
    body = {"messages": [{"role": "user", "content": "Hello!"}], "conversation_id": "小明"}
    refused = two.post("/v1/chat/completions", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "conversation_store_unavailable")
    assert two.chat("Hello!"), "what needs no conversation goes on"
    postgres.start()
    until(lambda: two.post("/v1/chat/completions", body).status_code == 200, 20, "the database is found again")
    assert len(kept(two, "小明")) == 6
