"""Onboarding: how far a new account has come. What is done follows from what is there; nothing is ticked off."""

from dataclasses import dataclass

from accounts.member import Member
from accounts.models import ApiKey, Mode
from billing.models import Wallet
from generation.models import Output, Status, Task
from webhooks.models import Delivery

SETTLED_IN = 10  # with so many tasks nobody needs to be told what to do first


@dataclass(frozen=True, slots=True)
class Progress:
    """`key` is a usable test key as people see it, `latest` the newest task, `pictures` are those of `completed`."""

    key: str
    latest: Task | None
    completed: Task | None
    pictures: list[Output]
    has_webhook: bool

    @property
    def mark(self) -> str:
        """Changes whenever there is something new to show of the first request."""
        newest = f"{self.latest.pk}-{self.latest.status}" if self.latest else "none"
        return f"{newest}-{len(self.pictures)}"

    @property
    def is_waiting(self) -> bool:
        return not self.pictures

    @property
    def is_done(self) -> bool:
        return bool(self.pictures) and self.has_webhook


def progress(member: Member) -> Progress | None:
    """None for whom onboarding is not: in live mode, without the right to generate, and once settled in."""
    if member.mode != Mode.TEST or not member.may("generate"):
        return None
    wallet_id = Wallet.id_of(member.account.pk, Mode.TEST)
    if Wallet.objects.filter(pk=wallet_id, task_count__gte=SETTLED_IN).exists():
        return None
    own = {"account": member.account, "mode": Mode.TEST}
    tasks = Task.objects.filter(**own).order_by("-created_at", "-id")
    completed = tasks.filter(status=Status.COMPLETED).first()
    return Progress(
        key=_usable_key(member),
        latest=tasks.first(),
        completed=completed,
        pictures=list(completed.outputs.exclude(path="").order_by("index")) if completed else [],
        has_webhook=Delivery.objects.filter(**own).exists(),
    )


def _usable_key(member: Member) -> str:
    keys = ApiKey.objects.usable().filter(account=member.account, mode=Mode.TEST)
    return keys.order_by("-pk").values_list("display", flat=True).first() or ""
