"""Margin: what each route brought and what it cost, in micro-dollars."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, F, Sum

from accounts.models import Mode
from billing.models import LedgerEntry
from eggapi import clock
from generation.models import Attempt, Purchase, Route, Status


@dataclass(slots=True)
class Margin:
    """Of the attempts begun in a period. `leak` is the part of `cost` that brought nobody anything.

    `tasks` and `images` were delivered; `revenue` is what customers paid for them and did not get back.
    """

    route: Route
    tasks: int = 0
    images: int = 0
    revenue: int = 0
    cost: int = 0
    leak: int = 0

    @property
    def left(self) -> int:
        return self.revenue - self.cost


def by_route(days: int) -> list[Margin]:
    """Of every live route that was used in the last `days`, the one that lost most first."""
    since = clock.now() - timedelta(days=days)
    attempts = Attempt.objects.filter(started_at__gte=since, task__mode=Mode.LIVE)
    rows: dict[int, Margin] = {}
    for route in Route.objects.filter(pk__in=attempts.values("route")).select_related("model", "provider"):
        rows[route.pk] = Margin(route)
    spent = Purchase.objects.filter(attempt__in=attempts).values_list("attempt__route")
    for route_id, cost, leak in spent.annotate(Sum("cost"), Sum("leak")):
        rows[route_id].cost, rows[route_id].leak = int(cost), int(leak)
    delivered = attempts.filter(state=Attempt.State.DONE, task__status=Status.COMPLETED)
    images = F("task__cost") / F("task__unit_price")
    sold = delivered.values_list("route").annotate(n=Count("pk"), images=Sum(images), revenue=Sum("task__cost"))
    for route_id, *sums in sold:
        rows[route_id].tasks, rows[route_id].images, rows[route_id].revenue = map(int, sums)
    refunds = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.REFUND, task_id__in=delivered.values("task_id"))
    given_back = dict(refunds.values_list("task_id", "amount"))
    for route_id, task_id in delivered.filter(task_id__in=given_back).values_list("route", "task_id"):
        rows[route_id].revenue -= given_back[task_id]
    return sorted(rows.values(), key=lambda row: (row.left, row.route.pk))
