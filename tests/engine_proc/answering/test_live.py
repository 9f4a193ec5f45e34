"""The live table."""

import pytest

from engine_proc.answering.live import LiveRequest, LiveTable

ANN, BOB = b"ann", b"bob"


def request(client: bytes = ANN, request_id: int = 1, sequences: int = 1) -> LiveRequest:
    return LiveRequest(client, request_id, "name", "user", sequences)


@pytest.fixture
def table() -> LiveTable:
    return LiveTable()


def test_sequences_are_counted_from_adding_to_removing(table: LiveTable) -> None:
    table.add(request(ANN, 1, sequences=3))
    table.add(request(ANN, 2, sequences=2))
    assert (len(table), table.sequences) == (2, 5)
    table.remove(ANN, 1)
    assert (len(table), table.sequences) == (1, 2)


def test_the_sequences_of_a_tenant_are_counted_from_adding_to_removing(table: LiveTable) -> None:
    for request_id, tenant, sequences in ((1, "ann", 3), (2, "ann", 2), (3, "bob", 4)):
        table.add(LiveRequest(ANN, request_id, "name", "user", sequences, tenant=tenant))
    assert [table.sequences_of(tenant) for tenant in ("ann", "bob", "eve")] == [5, 4, 0]
    table.remove(ANN, 1)
    assert [table.sequences_of(tenant) for tenant in ("ann", "bob")] == [2, 4]
    table.remove(ANN, 2)
    assert [table.sequences_of(tenant) for tenant in ("ann", "bob")] == [0, 4]


def test_an_id_is_unique_within_its_client_alone(table: LiveTable) -> None:
    first = request(ANN, 1)
    assert table.add(first)
    assert not table.add(request(ANN, 1, sequences=7))
    assert table.add(request(BOB, 1))
    assert (len(table), table.sequences) == (2, 2)
    assert first in table


def test_removing_returns_the_request_once(table: LiveTable) -> None:
    live = request()
    table.add(live)
    assert table.remove(ANN, 1) is live
    assert table.remove(ANN, 1) is None
    assert table.sequences == 0


def test_only_the_owner_can_remove(table: LiveTable) -> None:
    table.add(request(ANN, 1))
    assert table.remove(BOB, 1) is None
    assert len(table) == 1


def test_a_later_request_of_the_same_id_is_another(table: LiveTable) -> None:
    first, second = request(), request()
    table.add(first)
    table.remove(ANN, 1)
    table.add(second)
    assert second in table
    assert first not in table


def test_a_clients_requests(table: LiveTable) -> None:
    requests = [request(ANN, 1), request(BOB, 1), request(ANN, 2)]
    for live in requests:
        table.add(live)
    assert table.of_client(ANN) == [requests[0], requests[2]]
    assert table.of_client(b"nobody") == []


def test_requests_may_be_removed_while_the_table_is_walked(table: LiveTable) -> None:
    for request_id in range(5):
        table.add(request(ANN, request_id))
    for live in table:
        table.remove(live.client, live.id)
    assert len(table) == 0
