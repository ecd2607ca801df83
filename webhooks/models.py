"""Telling the customer: events, and their deliveries to the customer's own address."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, Q, Value, When

from accounts.models import Account, Mode
from eggapi import crypto


class Secret(models.Model):
    """Signs an account's webhooks. Encrypted; after a rotation the older one signs too until `expires_at`."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="webhook_secrets")
    encrypted = models.TextField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"webhook secret {self.pk} of account {self.account_id}"

    @property
    def plain(self) -> str:
        """As printed. Raises cryptography.fernet.InvalidToken where no configured key fits."""
        return crypto.decrypt(self.encrypted)


class Event(models.Model):
    """Something that happened to a task, with the bytes to be sent, frozen once.

    `seq` is the order of commits within an account and mode. A test that a customer asked for is of no task
    and has no `seq`: it is news to nobody else. The row stays for good; its `payload` is `emptied_at` some day.
    """

    class Type(models.TextChoices):
        COMPLETED = "task.completed"
        FAILED = "task.failed"
        TEST = "webhook.test"

    id = models.CharField(max_length=28, primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="events")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    seq = models.BigIntegerField(null=True)
    type = models.CharField(max_length=20, choices=Type.choices)
    task_id = models.CharField(max_length=28, null=True)  # noqa: DJ001 - unique, and null for none
    payload = models.BinaryField()
    created_at = models.DateTimeField()
    emptied_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task_id", "type"], name="one_event_per_task_and_type"),
            models.UniqueConstraint(fields=["account", "mode", "seq"], name="one_event_per_seq"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], condition=Q(emptied_at=None), name="events_with_payload"),
            models.Index(fields=["created_at"], name="events_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.task_id or self.pk}"


class DeliveryQuerySet(models.QuerySet):
    def due(self, now: datetime) -> "DeliveryQuerySet":
        """Due and leased by nobody (a lapsed lease is none)."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=now), next_run_at__lte=now)

    def in_flight(self, now: datetime) -> "DeliveryQuerySet":
        return self.filter(lease_until__gte=now)

    def under_way(self, now: datetime) -> "DeliveryQuerySet":
        """Due or on their way, without those that wait for their next attempt."""
        return self.filter(Q(next_run_at__lte=now) | Q(lease_until__gte=now))

    def given_up(self) -> "DeliveryQuerySet":
        """Over, and never delivered."""
        return self.filter(delivered_at=None, next_run_at=None)

    def end(self, state: str, error: str) -> int:
        """No further attempt; what was delivered before stays delivered."""
        end = Case(When(delivered_at=None, then=Value(state)), default=Value(Delivery.State.DELIVERED))
        return self.update(state=end, by_hand=False, next_run_at=None, lease_until=None, last_error=error)

    def held(self, tokens: Mapping[int, int]) -> "DeliveryQuerySet":
        """Those of {id: lease token} that are still leased with that token; tokens are never drawn twice."""
        return self.filter(pk__in=tokens, lease_token__in=set(tokens.values()), next_run_at__isnull=False)


class Delivery(models.Model):
    """An event on its way to one address: the row is the queue, and its leases are what is in flight.

    `next_run_at` is null once there will be no further attempt. `host` (name:port) and `account` are
    what the number of requests in flight is limited by. At most `granted` attempts are made: ten by
    the schedule, and those that people asked for later; `by_hand` says that the next one is of the latter.
    Delivered once is delivered for good, whatever comes of a resend.
    """

    class State(models.TextChoices):
        DUE = "due"
        DELIVERED = "delivered"
        FAILED = "failed"  # no attempt is left
        STOPPED = "stopped"  # the receiver is gone (410), or the account closed
        DISABLED = "disabled"  # its origin was

    SCHEDULED = 10

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    mode = models.CharField(max_length=4, choices=Mode.choices)
    created_at = models.DateTimeField()
    url = models.CharField(max_length=2048)
    host = models.CharField(max_length=2048)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DUE)
    attempts = models.PositiveIntegerField(default=0)
    granted = models.PositiveIntegerField(default=SCHEDULED)
    by_hand = models.BooleanField(default=False)
    delivered_at = models.DateTimeField(null=True)
    next_run_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.BigIntegerField(default=0)
    last_status = models.PositiveIntegerField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    objects: ClassVar[Any] = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event"], name="one_delivery_per_event"),
            models.CheckConstraint(
                condition=Q(state="due", next_run_at__isnull=False)
                | (~Q(state="due") & Q(next_run_at=None, lease_until=None)),
                name="only_due_delivery_has_a_next_run",
            ),
        ]
        # "Is not null" rather than "is due": a prepared statement's plan cannot know what $1 will be.
        indexes: ClassVar = [
            models.Index(fields=["account", "mode", "-created_at", "-id"], name="deliveries_of_account"),
            models.Index(
                fields=["account", "mode", "-created_at", "-id"],
                condition=Q(delivered_at=None, next_run_at=None),
                name="deliveries_given_up",
            ),
            models.Index(fields=["next_run_at"], condition=Q(next_run_at__isnull=False), name="due_deliveries"),
            models.Index(fields=["lease_until"], condition=Q(lease_until__isnull=False), name="leased_deliveries"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.state}"


class DeliveryAttempt(models.Model):
    """One request to the customer's address: what came back, or why nothing did. `reply` is at most 1 KiB."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="log")
    n = models.PositiveIntegerField()
    by_hand = models.BooleanField(default=False)
    at = models.DateTimeField()
    status = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    milliseconds = models.PositiveIntegerField()
    reply = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "n"], name="one_row_per_delivery_attempt")]

    def __str__(self) -> str:
        return f"attempt {self.n} of {self.delivery_id}"


class Origin(models.Model):
    """A host (name:port) that has only failed an account since `first_failure_at`. One that is well has no row.

    Nothing is sent to one that is `disabled_at`, but for what somebody asks for by hand.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="failing_origins")
    host = models.CharField(max_length=2048)
    failures = models.PositiveIntegerField(default=0)
    first_failure_at = models.DateTimeField()
    last_failure_at = models.DateTimeField()
    last_error = models.CharField(max_length=200)
    disabled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "host"], name="one_row_per_failing_origin"),
        ]
        verbose_name = "failing receiver"

    def __str__(self) -> str:
        return f"{self.host} of account {self.account_id}"
