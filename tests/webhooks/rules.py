"""What is true of deliveries and receivers whatever has happened."""

from collections import defaultdict
from datetime import timedelta

from django.db.models import Count, F, Q

from eggapi import clock
from tests.webhooks.receiver import Received, Receiver
from webhooks.models import Delivery, DeliveryAttempt, Event

LONGEST_WAIT = timedelta(hours=24) * 1.1


def assert_sound() -> None:
    now = clock.now()
    twice = Event.objects.exclude(task_id=None).values("task_id", "type").annotate(n=Count("id")).filter(n__gt=1)
    overdrawn = Delivery.objects.filter(attempts__gt=F("granted"))
    asleep = Delivery.objects.filter(next_run_at__gt=now + LONGEST_WAIT)
    without_end = Delivery.objects.filter(next_run_at=None).exclude(
        state__in=["delivered", "failed", "stopped", "disabled"]
    )
    untrue = Delivery.objects.filter(state="delivered", delivered_at=None)
    assert [list(found) for found in (twice, overdrawn, asleep, without_end, untrue)] == [[]] * 5
    for one in Delivery.objects.annotate(made=Count("log")).exclude(made=F("attempts")):
        raise AssertionError(f"{one} says {one.attempts} attempts and has {one.made}")
    assert_no_attempt_after_a_success()


def assert_no_attempt_after_a_success() -> None:
    """But for those that somebody asked for."""
    arrived: dict[int, int] = {}
    is_success = Q(status__gte=200, status__lt=300)
    for delivery_id, n in DeliveryAttempt.objects.filter(is_success).order_by("-n").values_list("delivery_id", "n"):
        arrived[delivery_id] = n
    for attempt in DeliveryAttempt.objects.filter(delivery__in=arrived, by_hand=False):
        assert attempt.n <= arrived[attempt.delivery_id]


def assert_alike(receiver: Receiver) -> None:
    """One body per webhook-id, whatever the number of attempts, and timestamps that never go back."""
    by_id: dict[str, list[Received]] = defaultdict(list)
    for request in receiver.received:
        by_id[request.headers["webhook-id"]].append(request)
    for event_id, requests in by_id.items():
        assert {request.body for request in requests} == {bytes(Event.objects.get(pk=event_id).payload)}
        times = [int(request.headers["webhook-timestamp"]) for request in requests]
        assert times == sorted(times)
