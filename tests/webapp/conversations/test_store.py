"""The table of turns: order, scope, retention, and workers that start together."""

import dataclasses
import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from webapp.conversations.store import SWEPT_AT_ONCE, Store, TooLong
from webapp.conversations.turns import StoredTurn

LARGE = 10**9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/conversations.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def said(text: str, created: float = 0.0) -> StoredTurn:
    return StoredTurn([{"role": "user", "content": text}], created=created)


def texts(store: Store, name: str = "42", scope: str = "anyone") -> list[str]:
    return [message["content"] for turn in store.read(scope, name, LARGE) for message in turn.messages]


def test_turns_come_back_as_they_were_in_their_order(store: Store) -> None:
    turns = [
        StoredTurn(
            [{"role": "user", "content": "我叫\u0000小明。😀"}], {"role": "system", "content": "Be."}, False, 1.5
        ),
        StoredTurn([{"role": "assistant", "content": [{"type": "text", "text": "\n"}]}], None, True, 1.0),
    ]
    for turn in turns:
        store.add("anyone", "42", turn)
    found = store.read("anyone", "42", LARGE)
    assert found[0].number < found[1].number
    assert [dataclasses.replace(turn, number=0) for turn in found] == turns


def test_turns_that_continue_are_read_of_several_conversations(store: Store) -> None:
    store.add("anyone", "42", StoredTurn([{"id": "a"}, {"id": "b"}], continues=True), said("x"))
    store.add("anyone", "43", StoredTurn([{"id": "c"}], continues=True))
    store.add("another", "42", StoredTurn([{"id": "d"}], continues=True))
    assert store.read_continuing("anyone", ["42", "43", "44"], LARGE) == [{"id": "a"}, {"id": "b"}, {"id": "c"}]
    assert store.read_continuing("anyone", [], LARGE) == []
    with pytest.raises(TooLong):
        store.read_continuing("anyone", ["42", "43"], 30)


def test_nothing_is_known_of_others(store: Store) -> None:
    store.add("anyone", "42", said("mine"))
    assert texts(store, "42 ") == texts(store, "43") == texts(store, "42", "another") == []


def test_what_is_too_long_is_not_read(store: Store) -> None:
    store.add("anyone", "42", said("x" * 1000))
    with pytest.raises(TooLong) as caught:
        store.read("anyone", "42", 1000)
    assert caught.value.args == (1030, 1000)


def test_removing_says_whether_there_was_anything(store: Store) -> None:
    store.add("anyone", "42", said("a"))
    store.add("another", "42", said("b"))
    assert store.remove("anyone", "42")
    assert not store.remove("anyone", "42")
    assert texts(store, scope="another") == ["b"]


def test_another_process_finds_all(store: Store, url: str) -> None:
    store.add("anyone", "42", said("a"))
    assert texts(Store(url)) == ["a"]


def test_sweeping_takes_whole_conversations_that_are_old(store: Store) -> None:
    for name, created in (("quiet", 10), ("busy", 10), ("quiet", 20), ("busy", 100)):
        store.add("anyone", name, said(name, created))
    assert store.sweep(older_than=50, max_bytes=LARGE) == 1
    assert (texts(store, "quiet"), texts(store, "busy")) == ([], ["busy", "busy"])
    assert store.sweep(older_than=50, max_bytes=LARGE) == 0


def test_sweeping_takes_the_oldest_until_the_rest_has_room(store: Store) -> None:
    for number in range(10):
        store.add("anyone", str(number), said("x" * 970, created=number))  # 1000 bytes with its JSON
    assert store.sweep(older_than=0, max_bytes=4000) == 6
    assert [bool(texts(store, str(number))) for number in range(10)] == [False] * 6 + [True] * 4


def test_a_sweep_goes_in_small_steps(store: Store) -> None:
    for number in range(SWEPT_AT_ONCE + 1):
        store.add("anyone", str(number), said("x"))
    assert [store.sweep(1, LARGE) for _ in range(3)] == [SWEPT_AT_ONCE, 1, 0]


def test_the_database_is_in_wal_mode(store: Store, tmp_path: Path) -> None:
    store.add("anyone", "42", said("x"))
    with sqlite3.connect(tmp_path / "conversations.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def add_many(url: str, who: int) -> None:
    store = Store(url)
    for number in range(20):
        store.add("anyone", "42", said(f"{who} {number}"))
    store.close()


def test_workers_that_start_together_make_one_table_and_lose_no_turn(url: str, store: Store) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=add_many, args=(url, who)) for who in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    found = texts(store)
    assert sorted(found) == sorted(f"{who} {number}" for who in range(4) for number in range(20))
    for who in range(4):
        assert [text for text in found if text.startswith(f"{who} ")] == [f"{who} {number}" for number in range(20)]
