"""Audits: what stands in the database twice, compared there, as of one moment."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from eggapi import money

MOST_PER_CHECK = 10


class Check(NamedTuple):
    """A query, in SQL that both databases speak, that should find nothing, and a sentence for what it finds.

    The sentence names columns by number; {1:$} shows micro-dollars as dollars.
    """

    sentence: str
    sql: str

    def run(self) -> list[str]:
        # Materialized, because a plan made for the first few rows is a bad one for finding that there are none.
        sql = f"WITH found AS MATERIALIZED ({self.sql}) SELECT * FROM found LIMIT {MOST_PER_CHECK + 1}"
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
        found = [self.sentence.format(*map(_shown, row)) for row in rows[:MOST_PER_CHECK]]
        return [*found, "... and more like this"] if len(rows) > MOST_PER_CHECK else found


class _Number(int):
    def __format__(self, spec: str) -> str:
        return money.display(self) if spec == "$" else super().__format__(spec)


def _shown(value: object) -> object:
    return _Number(value) if isinstance(value, int | Decimal) else value  # PostgreSQL's sums are numeric


def drift(checks: Iterable[Check]) -> list[str]:
    """A sentence for everything that the checks find, all of them in one snapshot."""
    with snapshot():
        return [sentence for check in checks for sentence in check.run()]


@contextmanager
def snapshot() -> Iterator[None]:
    """What is read inside is as of one moment, and nobody's writing waits for it.

    Inside a transaction or another snapshot that one serves.
    """
    connection.ensure_connection()
    if connection.in_atomic_block or (connection.vendor == "sqlite" and connection.connection.in_transaction):
        yield
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")  # atomic() would begin IMMEDIATE, and keep writers out
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
            yield
