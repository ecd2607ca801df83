from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts import keys
from accounts.keys import UsableKey
from accounts.models import ApiKey, Mode
from accounts.opening import account_of
from eggapi import clock, crypto
from eggapi.ids import BASE62

KEY = "egg_test_0123456789ABCDEFGHIJabcdefghij"


def test_it_works() -> None:
    assert keys.looks_right(KEY + keys.checksum(KEY))


def test_the_checksum_is_crc32_in_six_base62_digits() -> None:
    assert keys.checksum("123456789") == "3jZRME"  # the check value of CRC-32, 0xCBF43926
    assert keys.checksum("") == "000000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY,
        KEY + "000000",
        KEY + keys.checksum(KEY) + "0",
        KEY + keys.checksum(KEY) + "\n",
        KEY.replace("test", "live") + keys.checksum(KEY),
        KEY.replace("test", "prod") + keys.checksum(KEY.replace("test", "prod")),
        "x" * 10_000,
    ],
)
def test_it_rejects_what_is_no_key(text: str) -> None:
    assert not keys.looks_right(text)


@given(st.integers(0, len(KEY) + 5), st.sampled_from(BASE62))
def test_it_rejects_every_single_typing_error(position: int, character: str) -> None:
    text = KEY + keys.checksum(KEY)
    typed = text[:position] + character + text[position + 1 :]
    assert keys.looks_right(typed) == (typed == text)


@pytest.mark.django_db
class TestMinted:
    def test_it_works(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        account = account_of("alice@example.com")
        key, text = keys.mint(account, Mode.LIVE, "server")
        assert keys.looks_right(text)
        assert text.startswith("egg_live_")
        assert key.display == f"egg_live_...{text[-4:]}"
        with django_assert_num_queries(1):
            assert keys.find(text) == UsableKey(key.pk, account.pk, "live", suspended=False, idle=True)

    def test_it_is_never_stored_in_clear(self) -> None:
        _, text = keys.mint(account_of("alice@example.com"), Mode.TEST, "laptop")
        secret = text.removeprefix("egg_test_")[:-6]
        seen = 0
        for model in apps.get_models():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
                for value in [value for row in cursor.fetchall() for value in row]:
                    stored = bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
                    assert secret.encode() not in stored
                    seen += crypto.digest(text) == stored
        assert seen == 1

    def test_it_is_not_found_once_revoked(self) -> None:
        key, text = keys.mint(account_of("alice@example.com"), Mode.TEST, "old")
        _, other = keys.mint(account_of("alice@example.com"), Mode.TEST, "new")
        assert key.revoke()
        assert not key.revoke()
        assert keys.find(text) is None
        assert keys.find(other) is not None

    def test_it_is_found_until_it_expires(self) -> None:
        now, account = clock.now(), account_of("alice@example.com")
        _, fresh = keys.mint(account, Mode.TEST, "fresh", expires_at=now + timedelta(seconds=30))
        _, stale = keys.mint(account, Mode.TEST, "stale", expires_at=now - timedelta(seconds=1))
        assert keys.find(fresh) is not None
        assert keys.find(stale) is None

    def test_it_is_idle_when_last_seen_over_a_minute_ago(self) -> None:
        key, text = keys.mint(account_of("alice@example.com"), Mode.TEST, "laptop")
        for seconds, idle in [(30, False), (90, True)]:
            ApiKey.objects.update(last_used_at=clock.now() - timedelta(seconds=seconds))
            found = keys.find(text)
            assert found == UsableKey(key.pk, key.account_id, "test", suspended=False, idle=idle)
