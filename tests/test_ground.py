"""What tests/conftest.py promises every other test."""

import os
import socket
import subprocess
import sys

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from accounts.models import User
from accounts.opening import account_of
from billing.models import LedgerEntry, Wallet
from eggapi import settings as product
from tests import emptying


def test_the_network_is_closed_but_for_loopback() -> None:
    with pytest.raises(RuntimeError, match="closed"):
        socket.create_connection(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror):
        socket.create_connection(("example.com", 80))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.django_db
def test_the_database_is_the_chosen_one() -> None:
    assert connection.vendor == {"postgres": "postgresql", "sqlite": "sqlite"}[os.environ["EGGAPI_TEST_DB"]]


@pytest.mark.django_db(transaction=True)
def test_another_process_sees_the_same_database(database_url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen (number integer)")
        cursor.execute("INSERT INTO seen VALUES (42)")
    script = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        "with connection.cursor() as cursor: print(cursor.execute('SELECT number FROM seen').fetchone()[0])"
    )
    try:
        for environ in ({}, {"DATABASE_URL": database_url}):
            seen = subprocess.run(
                [sys.executable, "-c", script],
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "eggapi.settings", **environ},
                capture_output=True,
                text=True,
                check=True,
            )
            assert seen.stdout == "42\n"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE seen")


def test_passwords_are_kept_as_the_product_says_outside_of_tests() -> None:
    assert vars(product)["PASSWORD_HASHERS"][0] == "django.contrib.auth.hashers.Argon2PasswordHasher"


@pytest.mark.django_db(transaction=True)
def test_what_a_test_commits_is_gone_after_it_but_not_what_migrating_wrote() -> None:
    account_of("alice@example.com")
    emptying.empty()
    assert [model for model in (User, Wallet, LedgerEntry) if model._default_manager.exists()] == []
    assert Permission.objects.filter(content_type__app_label="billing").exists()
    assert emptying.KEPT.isdisjoint(emptying._tables())
    assert len(emptying._tables()) + len(emptying.KEPT) == len(connection.introspection.table_names())
