"""What is done with keys, and what the audit log says of it."""

from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.db import connection

from accounts import keyring, keys
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, AuditEntry, Membership, Mode, User
from accounts.opening import account_of
from eggapi import clock, mail
from eggapi.errors import BadRequest
from eggapi.models import Letter
from tests.customer import at_once

pytestmark = pytest.mark.django_db

BOUNDED = NewKey(
    "server",
    scopes=("generate",),
    models=("nanobanana",),
    cidrs=("10.0.0.0/8",),
    rate=(20, 60),
    concurrency=3,
    budget=5_000_000,
    budget_period="day",
    expires=timedelta(days=90),
)
DAY = timedelta(days=1)


@pytest.fixture
def account() -> Account:
    return account_of("alice@example.com")


@pytest.fixture
def alice(account: Account) -> User:
    return account.members.get()


def make(account: Account, new: NewKey = BOUNDED) -> tuple[ApiKey, str]:
    key, text = keyring.make(account, Mode.LIVE, new)
    return ApiKey.objects.get(pk=key.pk), text


def works(text: str) -> bool:
    return keys.find(text) is not None


def said() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


class TestMake:
    def test_it_works(self, account: Account, alice: User) -> None:
        key, text = keyring.make(account, Mode.LIVE, BOUNDED, alice)
        found = keys.find(text)
        assert found is not None
        assert (found.terms.scopes, found.terms.rate, found.terms.budget) == (("generate",), 20, 5_000_000)
        assert key.expires_at is not None
        assert abs(key.expires_at - clock.now() - 90 * DAY) < timedelta(seconds=5)
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.target, entry.actor, entry.account) == ("key.make", str(key), alice, account)

    def test_without_terms_it_may_do_everything(self, account: Account) -> None:
        _, text = keyring.make(account, Mode.TEST, NewKey("laptop"))
        found = keys.find(text)
        assert found is not None
        assert (found.terms.scopes, found.terms.rate, found.terms.budget) == ((), None, None)
        assert ApiKey.objects.get().expires_at is None


class TestRoll:
    def test_it_works(self, account: Account, alice: User) -> None:
        old, old_text = make(account)
        new, new_text = keyring.roll(old, DAY, alice)
        assert works(old_text)
        assert works(new_text)
        old.refresh_from_db()
        assert old.expires_at is not None
        assert abs(old.expires_at - clock.now() - DAY) < timedelta(seconds=5)
        ApiKey.objects.filter(pk=old.pk).update(expires_at=clock.now() - timedelta(seconds=1))
        assert not works(old_text)
        assert works(new_text)
        entry = AuditEntry.objects.get(action="key.roll")
        assert (entry.target, entry.actor, entry.detail["new"]) == (str(old), alice, new.display)

    def test_the_new_one_has_the_same_terms_and_as_long_a_life(self, account: Account) -> None:
        old, old_text = make(account)
        ApiKey.objects.update(created_at=old.created_at - 80 * DAY, expires_at=clock.now() + 10 * DAY)
        old.refresh_from_db()
        before = keys.find(old_text)
        new, text = keyring.roll(old, DAY)
        after = keys.find(text)
        assert before is not None
        assert after is not None
        assert (after.terms, after.mode, new.name) == (before.terms, before.mode, old.name)
        assert new.expires_at is not None
        assert abs(new.expires_at - clock.now() - 90 * DAY) < timedelta(minutes=1)

    def test_without_overlap_the_old_one_fails_at_once(self, account: Account) -> None:
        old, text = make(account)
        keyring.roll(old, timedelta(0))
        assert not works(text)

    def test_an_overlap_does_not_lengthen_the_old_ones_life(self, account: Account) -> None:
        old, _ = make(account, NewKey("short", expires=timedelta(hours=1)))
        keyring.roll(old, 7 * DAY)
        assert ApiKey.objects.get(pk=old.pk).expires_at == old.expires_at

    @pytest.mark.parametrize("state", ["revoked", "disabled", "expired"])
    def test_it_rejects_a_key_that_is_not_usable(self, account: Account, state: str) -> None:
        key, _ = make(account)
        ApiKey.objects.update(**{f"{state.replace('expired', 'expires')}_at": clock.now() - DAY})
        key.refresh_from_db()
        assert key.state(clock.now()) == state
        with pytest.raises(BadRequest, match="Only a usable key can be rolled"):
            keyring.roll(key, DAY)
        assert ApiKey.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_one_makes_a_key(self, account: Account) -> None:
        key, _ = make(account)

        def roll(_: int) -> bool:
            try:
                keyring.roll(key, DAY)
            except BadRequest:
                return False
            return True

        assert sum(at_once(6, roll)) == 1
        assert ApiKey.objects.count() == 2


class TestDisable:
    def test_it_works(self, account: Account) -> None:
        key, text = make(account)
        _, other = make(account)
        assert keyring.disable(key)
        assert not keyring.disable(key)
        assert (works(text), works(other)) == (False, True)
        assert keyring.enable(key)
        assert not keyring.enable(key)
        assert works(text)
        assert said() == ["key.make", "key.make", "key.disable", "key.enable"]

    def test_what_is_revoked_stays_so(self, account: Account) -> None:
        key, text = make(account)
        keyring.disable(key)
        assert keyring.revoke(key)
        assert not keyring.revoke(key)
        assert not keyring.enable(key)
        assert not keyring.disable(key)
        assert not works(text)
        assert said() == ["key.make", "key.disable", "key.revoke"]


def test_all_keys_of_an_account_are_revoked_and_nobody_elses(account: Account) -> None:
    texts = [make(account)[1], keyring.make(account, Mode.TEST, BOUNDED)[1]]
    _, bobs = make(account_of("bob@example.com"))
    assert keyring.revoke_all(account) == 2
    assert keyring.revoke_all(account) == 0
    assert [works(text) for text in (*texts, bobs)] == [False, False, True]
    entry = AuditEntry.objects.get(action="key.revoke_all")
    assert (entry.account, entry.detail) == (account, {"keys": 2})


class TestReport:
    def test_it_works(self, account: Account) -> None:
        key, text = make(account)
        carol, dave, erin = (User.objects.create_user(f"{name}@example.com") for name in ("carol", "dave", "erin"))
        Membership.objects.create(account=account, user=carol)
        Membership.objects.create(account=account, user=dave, role=Membership.Role.DEVELOPER)
        Membership.objects.create(account=account, user=erin)
        User.objects.filter(pk=erin.pk).update(is_active=False)
        account_of("bob@example.com")
        assert keyring.report(text)
        assert not works(text)
        assert said() == ["key.make", "key.report"]
        mail.send()
        assert sorted(address for letter in outbox.outbox for address in letter.to) == [
            "alice@example.com",
            "carol@example.com",
        ]
        letter = outbox.outbox[0]
        assert letter.subject == f"Your API key {key.display} was found by somebody and is revoked"
        assert f"The API key {key} of {account} was posted to " in str(letter.body)
        assert text not in str(letter.body)

    def test_a_disabled_key_is_revoked_too(self, account: Account) -> None:
        key, text = make(account)
        keyring.disable(key)
        assert keyring.report(text)
        assert not keyring.enable(key)

    def test_nothing_comes_of_what_is_no_valid_key(self, account: Account) -> None:
        revoked, revoked_text = make(account)
        keyring.revoke(revoked)
        expired, expired_text = make(account)
        ApiKey.objects.filter(pk=expired.pk).update(expires_at=clock.now() - DAY)
        body = "egg_live_" + "0" * 30
        entries = said()
        for text in (revoked_text, expired_text, body + keys.checksum(body), body, "", "\0", "é" * 1000):
            assert not keyring.report(text)
        assert said() == entries
        assert not Letter.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_one_writes_the_letter(self, account: Account) -> None:
        _, text = make(account)
        assert sum(at_once(6, lambda _: keyring.report(text))) == 1
        assert Letter.objects.count() == 1


def test_nothing_written_down_holds_a_key(account: Account) -> None:
    key, text = make(account)
    _, rolled = keyring.roll(key, DAY)
    _, third = make(account)
    keyring.report(third)
    secrets = [each.removeprefix("egg_live_")[:30] for each in (text, rolled, third)]
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            stored = str([[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in cursor.fetchall()])
        assert [secret for secret in secrets if secret in stored] == []
