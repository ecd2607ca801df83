"""About how many images are left."""

from datetime import timedelta

import pytest

from accounts.models import Account, Mode
from billing import mix, usage
from eggapi import clock
from tests.billing.till import open_account, record_of

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


@pytest.fixture
def account() -> Account:
    return open_account()


def spend(account: Account, images: int, cost: int, days_ago: int = 0, task: str = "a") -> None:
    at = clock.now() - timedelta(days=days_ago)
    record = record_of(account, f"gen_{task * 24}", images, created_at=at)
    record.cost = cost
    usage.record([record])


def test_it_works(account: Account) -> None:
    spend(account, 2, 50_000)
    spend(account, 1, 10_000, days_ago=29, task="b")
    found = mix.of(account.pk, Mode.LIVE, clock.now().date())
    assert (found, found.price, found.images_for(DOLLAR)) == (mix.Mix(3, 60_000), 20_000, 50)


def test_what_was_long_ago_or_elsewhere_does_not_count(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "_cheapest", [lambda: 10_000])
    spend(account, 2, 50_000, days_ago=31)
    spend(open_account("bob@example.com"), 2, 50_000, task="b")
    for mode in Mode:
        found = mix.of(account.pk, mode, clock.now().date())
        assert (found, found.price, found.images_for(DOLLAR)) == (mix.Mix(0, 0), 10_000, 100)


@pytest.mark.parametrize("cheapest", [[], [lambda: None]])
def test_nothing_on_sale_says_nothing(account: Account, monkeypatch: pytest.MonkeyPatch, cheapest: list) -> None:
    monkeypatch.setattr(mix, "_cheapest", cheapest)
    found = mix.of(account.pk, Mode.LIVE, clock.now().date())
    assert (found.price, found.images_for(DOLLAR)) == (None, None)
