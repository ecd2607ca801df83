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
    `owed` is what a payment taken back at the bank left open: while it is not zero nothing can be held.
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
    owed = UsdField(default=0)

    objects: ClassVar[Any] = WalletQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "mode"], name="one_wallet_per_mode"),
            models.CheckConstraint(condition=Q(held__gte=0), name="held_is_not_negative"),
            models.CheckConstraint(condition=Q(owed__gte=0), name="owed_is_not_negative"),
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


class Budget(models.Model):
    """What a key, or with `key` 0 the whole account, may spend and has promised in one period (UTC).

    A hold takes from it in the transaction that makes the task, and gives back to the very row it took
    from, even after the next period has begun. `told` is the last share of it, in percent, that was mailed.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="budgets")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    key = models.BigIntegerField(default=0)
    period_start = models.DateTimeField()
    limit = UsdField()
    used = UsdField(default=0)
    told = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "mode", "key", "period_start"], name="one_budget_per_period"),
            models.CheckConstraint(condition=Q(used__gte=0), name="used_is_not_negative"),
        ]
        indexes: ClassVar = [models.Index(fields=["period_start"], name="budgets_of_period")]

    def __str__(self) -> str:
        return f"{self.used} of {self.limit} since {self.period_start}"


class StartingCredit(models.Model):
    """Money a verified address was given to begin with. The digest stays when the person goes: once per address."""

    address = models.BinaryField(max_length=32, unique=True)
    ip = models.GenericIPAddressField()
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True)
    amount = UsdField()
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"starting credit of account {self.account_id}"


class Hold(models.Model):
    """Money promised to one task: open, then either captured (in part or whole) or released.

    `key` is the API key that asked for it (0: none), `key_budget` and `account_budget` the rows of Budget
    it was taken from (0: none).
    """

    class State(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        RELEASED = "released"

    task_id = models.CharField(max_length=28, primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="holds")
    amount = UsdField()
    captured = UsdField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    key = models.BigIntegerField(default=0)
    key_budget = models.BigIntegerField(default=0)
    account_budget = models.BigIntegerField(default=0)
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
        indexes: ClassVar = [
            models.Index(fields=["wallet"], condition=Q(state="open"), name="open_holds"),
            models.Index(fields=["key"], condition=Q(state="open"), name="open_holds_of_key"),
            models.Index(fields=["created_at"], name="holds_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} {self.state}"


class LedgerEntry(models.Model):
    """One movement of money, written once and never changed.

    `amount` is what the wallet gains (negative: loses) and the counterpart loses: both sides of the
    double entry stand in one row, so that no entry can fail to balance. `reference` is what it is for
    outside, a payment at Stripe say, of which there is one entry of each kind.
    """

    class Kind(models.TextChoices):
        CAPTURE = "capture"
        CREDIT = "credit"
        REFUND = "refund"
        REDEEM = "redeem"
        TOPUP = "topup"
        CHARGEBACK = "chargeback"

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
    reference = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(amount=0), name="entry_is_not_zero"),
            models.UniqueConstraint(
                fields=["kind", "reference"], condition=~Q(reference=""), name="one_entry_per_kind_and_reference"
            ),
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


class RedeemBatch(models.Model):
    """Codes made together: each is worth `amount`, may be redeemed `uses` times, until `expires_at`."""

    name = models.CharField(max_length=100)
    amount = UsdField()
    uses = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(amount__gt=0), name="code_is_worth_something")]

    def __str__(self) -> str:
        return self.name


class RedeemCode(models.Model):
    """Shown once, like a key: only its digest is kept, and `display` for people."""

    batch = models.ForeignKey(RedeemBatch, on_delete=models.PROTECT, related_name="codes")
    digest = models.BinaryField(max_length=32, unique=True)
    display = models.CharField(max_length=20)
    uses_left = models.PositiveIntegerField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.display


class Redemption(models.Model):
    """A code redeemed by an account, at most once by each."""

    code = models.ForeignKey(RedeemCode, on_delete=models.PROTECT, related_name="redemptions")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="redemptions")
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["code", "account"], name="one_redemption_per_account")]

    def __str__(self) -> str:
        return f"{self.code} by {self.account}"


class TopUp(models.Model):
    """An order to pay money in. `payment` is the payment provider's id once it was paid; `taken_back` what of it was.

    `order` is our own id of it, which the payment provider is given and gives back.
    """

    class State(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        EXPIRED = "expired"

    order = models.CharField(max_length=40, primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="topups")
    provider = models.CharField(max_length=20, default="stripe")
    session = models.CharField(max_length=100, blank=True)
    payment = models.CharField(max_length=100, blank=True)
    amount = UsdField()
    taken_back = UsdField(default=0)
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment"], condition=~Q(payment=""), name="one_topup_per_payment"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="topup_is_positive"),
            models.CheckConstraint(
                condition=Q(taken_back__gte=0, taken_back__lte=F("amount")), name="taken_back_within_topup"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order} {self.state}"
