"""A record per completed task, and its day's sums beside it."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from accounts.models import Account, ApiKey
from billing import usage
from billing.models import DailyUsage, UsageRecord
from tests.billing.till import PRICE, open_account, record_of

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 8, 12, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return open_account()


def days(*names: str) -> list[tuple[object, ...]]:
    return list(DailyUsage.objects.order_by("day", "model", "key").values_list(*names, "units", "cost", "requests"))


def test_it_works(account: Account) -> None:
    usage.record([record_of(account, "one", 3, created_at=NOON), record_of(account, "two", 1, created_at=NOON)])
    usage.record([record_of(account, "three", 2, created_at=NOON)])
    assert UsageRecord.objects.count() == 3
    assert days("day", "model", "type", "key") == [
        (date(2026, 5, 8), "nanobanana", "image_generate", 0, 6, 6 * PRICE, 3)
    ]


def test_each_key_model_and_day_has_sums_of_its_own(account: Account) -> None:
    key = ApiKey.objects.create(account=account, mode="live", name="a", digest=b"a", display="a")
    usage.record(
        [
            record_of(account, "one", created_at=NOON),
            record_of(account, "two", key=key, created_at=NOON),
            record_of(account, "three", model="pro", created_at=NOON),
            record_of(account, "four", created_at=NOON + timedelta(days=1)),
        ]
    )
    assert days("day", "model", "key") == [
        (date(2026, 5, 8), "nanobanana", 0, 1, PRICE, 1),
        (date(2026, 5, 8), "nanobanana", key.pk, 1, PRICE, 1),
        (date(2026, 5, 8), "pro", 0, 1, PRICE, 1),
        (date(2026, 5, 9), "nanobanana", 0, 1, PRICE, 1),
    ]


def test_a_day_is_a_utc_day(account: Account) -> None:
    tokyo = timezone(timedelta(hours=9))
    usage.record([record_of(account, "one", created_at=datetime(2026, 5, 9, 8, tzinfo=tokyo))])
    assert days("day") == [(date(2026, 5, 8), 1, PRICE, 1)]


def test_sums_outgrow_32_bits(account: Account) -> None:
    for task_id in ("one", "two"):
        usage.record([record_of(account, task_id, images=1_500_000_000, created_at=NOON)])
    assert days() == [(3_000_000_000, 3_000_000_000 * PRICE, 2)]


def test_nothing_to_record_changes_nothing(account: Account) -> None:
    usage.record([])
    assert days() == []
