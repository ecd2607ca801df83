"""What it costs. Every amount is an int of micro-dollars; only wallets store a balance."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account, ApiKey, Mode
from eggapi.money import UsdField, usd

LONGEST_REASON = 200


class WalletQuerySet(models.QuerySet):
    def covering(self, amount: int) -> "WalletQuerySet":
        """Those with at least so much free."""
        # The difference cannot overflow; `held + amount` could, and SQLite would go on with a float.
        return self.alias(free=F("posted") - F("held")).filter(free__gte=usd(amount))


class Wallet(models.Model):
    """The money of an account in one mode. `posted` is what is there, `held` the part promised to tasks.

    The id follows from account and mode, so that nobody has to look it up (`Wallet.id_of`).
    `event_seq` counts the account's events in commit order, `task_count` its tasks and `open_holds` those
    unfinished: all ride on updates that happen to this row anyway.
    """

    id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="wallets")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    posted = UsdField(default=0)
    held = UsdField(default=0)
    event_seq = models.BigIntegerField(default=0)
    task_count = models.BigIntegerField(default=0)
    open_holds = models.PositiveIntegerField(default=0)

    objects: ClassVar[Any] = WalletQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "mode"], name="one_wallet_per_mode"),
            models.CheckConstraint(condition=Q(held__gte=0), name="held_is_not_negative"),
            models.CheckConstraint(condition=Q(posted__gte=F("held")), name="wallet_never_overdrawn"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.mode}"

    @staticmethod
    def id_of(account_id: int, mode: str) -> int:
        return 2 * account_id + (mode == Mode.TEST)

    @property
    def available(self) -> int:
        return self.posted - self.held


class Hold(models.Model):
    """Money promised to one task: open, then either captured (in part or whole) or released."""

    class State(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        RELEASED = "released"

    task_id = models.CharField(max_length=28, primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="holds")
    amount = UsdField()
    captured = UsdField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="hold_is_positive"),
            models.CheckConstraint(
                condition=Q(captured__gte=0, captured__lte=F("amount")), name="captured_within_hold"
            ),
            models.CheckConstraint(
                condition=Q(state="captured", captured__gt=0) | Q(state__in=["open", "released"], captured=0),
                name="captured_fits_hold_state",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["wallet"], condition=Q(state="open"), name="open_holds")]

    def __str__(self) -> str:
        return f"{self.task_id} {self.state}"


class LedgerEntry(models.Model):
    """One movement of money, written once and never changed.

    `amount` is what the wallet gains (negative: loses) and the counterpart loses: both sides of the
    double entry stand in one row, so that no entry can fail to balance.
    """

    class Kind(models.TextChoices):
        CAPTURE = "capture"
        CREDIT = "credit"
        REFUND = "refund"

    class Counterpart(models.TextChoices):
        REVENUE = "revenue"
        PROMO = "promo"
        TOPUP = "topup"
        ADJUSTMENT = "adjustment"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    counterpart = models.CharField(max_length=10, choices=Counterpart.choices)
    amount = UsdField()
    task_id = models.CharField(max_length=28, blank=True)
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(amount=0), name="entry_is_not_zero"),
            models.UniqueConstraint(
                fields=["task_id", "kind"], condition=~Q(task_id=""), name="one_entry_per_task_and_kind"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["wallet", "id"], name="entries_of_wallet")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class UsageRecord(models.Model):
    """What a completed task delivered and cost. `key_id` is empty for a task made in the dashboard."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    mode = models.CharField(max_length=4, choices=Mode.choices)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True)
    task_id = models.CharField(max_length=28, unique=True)
    model = models.CharField(max_length=64)
    type = models.CharField(max_length=20)
    units = models.PositiveIntegerField()
    unit_price = UsdField()
    cost = UsdField()
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "mode", "-created_at", "-id"], name="usage_of_account")]

    def __str__(self) -> str:
        return f"{self.task_id} {self.cost}"


class DailyUsage(models.Model):
    """Sums of usage records per UTC day, kept in the settling transaction. `key` 0 stands for none."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    mode = models.CharField(max_length=4, choices=Mode.choices)
    key = models.BigIntegerField(default=0)
    model = models.CharField(max_length=64)
    type = models.CharField(max_length=20)
    day = models.DateField()
    units = models.BigIntegerField()
    cost = UsdField()
    requests = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "mode", "key", "model", "type", "day"], name="one_row_per_day_and_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.model} {self.cost}"
