"""One bad item spoils nobody else's, and an absent database is met once."""

import pytest
from django.db import OperationalError, connection

from eggapi import batch

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_bad_item_fails_alone() -> None:
    def check(items: list[int]) -> list[int]:
        if 2 in items:
            raise ValueError("two")
        return items

    first, second, third = batch.run(check, [1, 2, 3])
    assert (first, repr(second), third) == (1, "ValueError('two')", 3)


def test_a_statement_that_fails_is_no_absent_database() -> None:
    sizes = []

    def break_off(items: list[int]) -> list[int]:
        sizes.append(len(items))
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")
        return items

    batch.run(break_off, [1, 2, 3])
    assert sizes == [3, 1, 1, 1]


def test_a_database_that_cannot_be_reached_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try may take the three seconds that one waits for a connection."""
    tries = []

    def connect() -> None:
        tries.append(1)
        raise OperationalError("connection refused")

    connection.close()
    monkeypatch.setattr(connection, "connect", connect)
    results = batch.run(lambda items: items, [1, 2, 3])
    assert (list(map(str, results)), len(tries)) == (["connection refused"] * 3, 1)


@pytest.mark.postgres_only
def test_a_connection_that_breaks_while_the_database_is_there_fails_nobody() -> None:
    sizes = []

    def die_once(items: list[int]) -> list[int]:
        sizes.append(len(items))
        if len(sizes) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return items

    assert (batch.run(die_once, [1, 2]), sizes) == ([1, 2], [2, 1, 1])
