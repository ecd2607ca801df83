"""`manage.py demo`: a month of usage that the books agree with."""

from collections.abc import Iterator

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db.models import Sum

from accounts.models import ApiKey, AuditEntry
from accounts.opening import account_of
from billing.models import Budget, DailyUsage, LedgerEntry, TopUp, UsageRecord, Wallet
from eggapi import clock
from eggapi.models import Alert, Day, Incident
from eggapi.serving.demo import fill
from eggapi.serving.demo.lives import BLOCK
from generation import catalog
from generation.audit import audit_ledger
from generation.models import UNFINISHED, Attempt, Output, Task
from webhooks.models import Delivery, Event

EMAIL = "ann@example.com"


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """They take their time."""
    monkeypatch.setattr(fill, "PICTURED", 0)
    catalog._forget()
    yield
    catalog._forget()


def demo(*arguments: str) -> str:
    said: str = call_command("demo", "--account", EMAIL, "--tasks", str(BLOCK), *arguments)
    return said


@pytest.mark.django_db
class TestDemo:
    def test_it_works(self) -> None:
        said = demo()
        now, account = clock.now(), account_of(EMAIL)
        tasks = Task.objects.filter(account=account, mode="test")
        assert audit_ledger() == []
        assert said.startswith(f"{EMAIL} has {BLOCK} tasks more in test mode, which cost $")
        assert tasks.count() == Wallet.objects.get(account=account, mode="test").task_count == BLOCK
        assert tasks.filter(status="completed").count() == BLOCK * 95 // 100
        assert not tasks.filter(status__in=UNFINISHED).exists()
        assert not tasks.filter(created_at__gt=now).exists()
        assert not tasks.filter(completed_at__gt=now).exists()
        assert set(tasks.filter(status="failed").values_list("ended", flat=True)) == {
            *("refused", "invalid", "no_image", "upstream_unavailable", "deadline", "canceled")
        }
        assert Attempt.objects.filter(n=2, state="done").count() == 12
        assert Event.objects.filter(account=account).count() == BLOCK
        assert list(Event.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, BLOCK + 1))

    def test_the_newest_have_pictures(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fill, "PICTURED", 2)
        demo()
        newest = Task.objects.order_by("-created_at")[:2]
        there = Output.objects.exclude(path="")
        assert set(there.values_list("task_id", flat=True)) == {task.pk for task in newest if task.cost}
        assert [output.path for output in there if not default_storage.exists(output.path)] == []

    def test_the_keys_have_a_past(self) -> None:
        demo()
        keys = {key.name: key for key in ApiKey.objects.filter(account__name=EMAIL).order_by("pk")}
        now = clock.now()
        assert list(keys) == ["Production", "Staging", "Newsletter automation", "Old laptop"]
        unused = [name for name, key in keys.items() if key.last_used_at and (now - key.last_used_at).days >= 40]
        assert unused == ["Old laptop"]
        budgeted = keys["Newsletter automation"]
        assert Budget.objects.filter(key=budgeted.pk).aggregate(used=Sum("used"))["used"] > 0
        assert all(row.used <= row.limit == budgeted.budget for row in Budget.objects.all())

    def test_webhooks_have_arrived_but_for_two(self) -> None:
        demo()
        states = list(
            Delivery.objects.exclude(state="delivered").order_by("created_at").values_list("state", flat=True)
        )
        assert states == ["failed", "due"]
        exhausted = Delivery.objects.get(state="failed")
        assert (exhausted.attempts, exhausted.log.count()) == (10, 10)
        assert Delivery.objects.filter(state="due", next_run_at__gt=clock.now()).exists()

    def test_live_mode_is_paid_for(self) -> None:
        demo("--mode", "live")
        assert audit_ledger() == []
        kinds = LedgerEntry.objects.filter(wallet__mode="live").exclude(kind="capture").order_by("pk")
        assert list(kinds.values_list("kind", flat=True)) == ["redeem"]
        assert list(TopUp.objects.values_list("state", flat=True)) == ["expired"]
        assert not Task.objects.filter(mode="test").exists()

    def test_more_money_is_paid_in_when_it_runs_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fill, "BATCH", 40)
        monkeypatch.setattr(fill, "LEAST_BALANCE", 24_500_000)
        demo("--mode", "live")
        assert audit_ledger() == []
        paid = TopUp.objects.get(state="paid")
        assert LedgerEntry.objects.get(kind="topup").amount == paid.amount == 50_000_000

    def test_the_installation_has_a_past_too(self) -> None:
        demo()
        assert Incident.objects.filter(ended_at__lt=clock.now()).count() == 2
        assert Day.objects.filter(part="api").count() == 90
        assert Day.objects.filter(part="api").aggregate(down=Sum("down"))["down"] == 14
        assert Alert.objects.get().state == "ended"
        call_command("demo", "--account", "bob@example.com", "--tasks", "1")
        assert (Incident.objects.count(), Alert.objects.count()) == (2, 1)

    def test_sums_per_day_are_kept(self) -> None:
        demo()
        both = (DailyUsage.objects, UsageRecord.objects)
        assert len({rows.aggregate(total=Sum("cost"))["total"] for rows in both}) == 1

    def test_once_is_enough(self) -> None:
        demo()
        with pytest.raises(CommandError, match=f"^{EMAIL} has its month of test usage already.$"):
            demo()
        assert Task.objects.count() == BLOCK
        assert AuditEntry.objects.filter(action="account.demo").count() == 1

    def test_it_rejects_a_count_that_is_none(self) -> None:
        with pytest.raises(CommandError, match="^--tasks must be from 1 to 1,000,000.$"):
            call_command("demo", "--tasks", "0")
