"""A database of another schema is recognised, never met with a traceback."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from django.db import connection

from eggapi.serving import schema
from tests.serving.installation import Installation

Install = Callable[..., Installation]
ALTERATIONS = [
    "ALTER TABLE generation_task RENAME COLUMN prompt TO wish",
    "ALTER TABLE billing_wallet ADD COLUMN colour text",
    "DROP TABLE webhooks_deliveryattempt",
    "DROP INDEX due_tasks",
    "DELETE FROM django_migrations",
]


@pytest.mark.django_db
def test_the_schema_we_make_is_ours() -> None:
    assert list(schema._differences()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("alteration", [a for a in ALTERATIONS if "django_migrations" not in a])
def test_it_recognises_another_schema(alteration: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(alteration)
    assert len(list(schema._differences())) == 1


@pytest.mark.once
@pytest.mark.parametrize("alteration", [ALTERATIONS[0], ALTERATIONS[-1]])
def test_a_sqlite_database_of_another_schema_is_kept_and_replaced(egg: Installation, alteration: str) -> None:
    with closing(sqlite3.connect(egg.home / "eggapi.sqlite3")) as database:
        columns = "name, created_at, zero_retention, billing_name, vat_number"
        database.execute(f"INSERT INTO accounts_account ({columns}) VALUES ('old', '2026-01-01', 0, '', '')")
        database.execute(alteration)
        database.commit()
    egg.start()
    assert "made by another version of EggAPI" in egg.printed.read_text()
    assert egg.call("GET", "/v1/balance")[0] == 200
    (kept,) = egg.home.glob("eggapi.sqlite3.*.old")
    with closing(sqlite3.connect(kept)) as database:
        assert database.execute("SELECT name FROM accounts_account").fetchall() == [("old",)]


@pytest.mark.once
def test_it_says_when_the_file_is_no_database(egg: Installation) -> None:
    (egg.home / "eggapi.sqlite3").write_text("once upon a time " * 500)
    refused = egg.manage("serve")
    assert (refused.returncode, refused.stderr) == (1, "The database cannot be used: file is not a database\n")
    assert (egg.home / "eggapi.sqlite3").read_text().startswith("once upon")
