"""Red flags: what an operator should look at first, each with the page where that is done."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from eggapi.models import Alert, Switch
from generation import audit
from generation.models import Breaker, Task
from webhooks.models import Delivery, Origin

MOST_NAMED = 3
OVERDUE = timedelta(minutes=1)
WARNING_SECONDS = 5
HOPELESS = 3  # claims of a worker that brought nothing


class Flag(NamedTuple):
    """`is_warning` where it may well be meant so."""

    title: str
    text: str
    link: str
    is_warning: bool = False


def raised(now: datetime, oldest_due: float) -> list[Flag]:
    """`oldest_due` is for how many seconds the longest waiting task has been due."""
    flags = [*_alerts(), *_queue(now, oldest_due), *_routes(), *_switches(), *_webhooks(now)]
    return sorted(flags, key=lambda flag: flag.is_warning)


def _alerts() -> Iterator[Flag]:
    causes = list(Alert.objects.filter(ended_at=None).order_by("-last_at").values_list("cause", flat=True)[:100])
    if audit.ALERT in causes:
        causes.remove(audit.ALERT)
        yield Flag("The ledger drifts", "Change nothing by hand before you know why.", reverse("admin:reconciliation"))
    if causes:
        link = reverse("admin:eggapi_alert_changelist") + "?ended_at__isempty=1"
        yield Flag(_number(len(causes), "open alert"), _named(causes), link)


def _queue(now: datetime, oldest_due: float) -> Iterator[Flag]:
    page = reverse("admin:generation_task_changelist")
    is_stuck = Q(deadline_at__lt=now - OVERDUE) | Q(claims_without_progress__gte=HOPELESS)
    stuck = list(Task.objects.filter(is_stuck, next_run_at__isnull=False).values_list("pk", flat=True)[:100])
    if stuck:
        yield Flag(_number(len(stuck), "stuck task"), _named(stuck), f"{page}?q={stuck[0]}")
    if oldest_due > WARNING_SECONDS:
        text = f"The longest waiting task has been due for {oldest_due:.0f} s."
        yield Flag("Workers are behind", text, page, oldest_due <= settings.EGGAPI_SHED_SECONDS)


def _routes() -> Iterator[Flag]:
    broken = [str(each) for each in Breaker.objects.select_related("provider").order_by("-opened_at")[:100]]
    if broken:
        yield Flag(
            _number(len(broken), "route") + " down", _named(broken), reverse("admin:generation_breaker_changelist")
        )
    kept = audit.last()
    if losing := [margin.route for margin in kept.margins if margin.left < 0] if kept else []:
        yield Flag(f"{_number(len(losing), 'route')} at a loss", _named(losing), reverse("admin:reconciliation"))


def _switches() -> Iterator[Flag]:
    off = list(Switch.objects.order_by("at"))
    if off:
        text = "; ".join(f"{row.name} by {row.by}" + (f" ({row.reason})" if row.reason else "") for row in off)
        yield Flag("Switched off", text, reverse("admin:eggapi_switch_changelist"), True)


def _webhooks(now: datetime) -> Iterator[Flag]:
    page = reverse("admin:webhook_backlog")
    late = list(Delivery.objects.due(now - OVERDUE).values_list("pk", flat=True)[:100])
    if late:
        yield Flag("Webhooks are behind", f"{_number(len(late), 'delivery', 'deliveries')} due for a minute.", page)
    if disabled := Origin.objects.filter(disabled_at__isnull=False).count():
        yield Flag(_number(disabled, "receiver") + " disabled", "They failed for five days.", page, True)


def _number(number: int, one: str, many: str = "") -> str:
    return f"{'100 or more' if number >= 100 else number} {one if number == 1 else many or one + 's'}"


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
