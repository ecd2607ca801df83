"""Every task, with what was tried for it and what came of it."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Account, ApiKey, Mode
from eggapi import ids
from eggapi.money import UsdField
from generation.models.catalogue import Price, Route
from generation.providers.base import Outcome

LEASE = timedelta(seconds=60)
MOST_CLAIMS_WITHOUT_PROGRESS = 5


class Strategy(models.TextChoices):
    AUTO = "auto"
    VALUE = "value"
    OFFICIAL = "official"


class Status(models.TextChoices):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


UNFINISHED = (Status.PENDING, Status.PROCESSING)
TERMINAL = (Status.COMPLETED, Status.FAILED)


class TaskQuerySet(models.QuerySet):
    def unfinished(self) -> "TaskQuerySet":
        return self.filter(status__in=UNFINISHED)

    def due(self, now: datetime) -> "TaskQuerySet":
        """Unfinished, due, and leased by nobody (a lapsed lease is none)."""
        return self.unfinished().filter(Q(lease_until=None) | Q(lease_until__lt=now), next_run_at__lte=now)


class Task(models.Model):
    """One accepted request. The row is the queue: whoever holds its lease may work on it.

    Every write by a worker carries the `lease_token` it claimed with, so that a worker that was
    paused past its lease changes nothing when it wakes. `next_run_at` is never later than
    `deadline_at`. `ended` says in one word why a finished task ended. For a `restored` task nothing is
    bought any more: nobody knows what was bought for it after the backup was made. `unit_price` was read
    from the rule `price`. One that was `wiped_at` has lost prompt, references and files; its money stays.
    `purge_at` is when what was stored for a finished task goes, null once it has gone.
    """

    class Type(models.TextChoices):
        IMAGE_GENERATE = "image_generate"
        IMAGE_EDIT = "image_edit"

    id = models.CharField(max_length=28, primary_key=True, default=ids.task_id)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False)  # the lists' indexes begin with it
    mode = models.CharField(max_length=4, choices=Mode.choices)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - unique, and null for none
    request_digest = models.BinaryField(max_length=32)

    model = models.CharField(max_length=64)
    type = models.CharField(max_length=20, choices=Type.choices)
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    aspect_ratio = models.CharField(max_length=10)
    resolution = models.CharField(max_length=4)
    resolution_asked = models.BooleanField(default=False)
    output_format = models.CharField(max_length=4, default="png")
    num_outputs = models.PositiveSmallIntegerField()
    seed = models.BigIntegerField(null=True)
    strategy = models.CharField(max_length=8, choices=Strategy.choices, default=Strategy.AUTO)
    image_urls = models.JSONField(default=list)
    metadata = models.JSONField(null=True)
    webhook_url = models.CharField(max_length=2048, blank=True)

    unit_price = UsdField()
    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True, db_index=False)  # nobody asks for its tasks
    cost = UsdField(default=0)
    retention_days = models.PositiveIntegerField(default=15)
    zero_retention = models.BooleanField(default=False)
    wiped_at = models.DateTimeField(null=True)
    path_token = models.CharField(max_length=32, default=ids.path_token)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    ended = models.CharField(max_length=24, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    purge_at = models.DateTimeField(null=True)

    next_run_at = models.DateTimeField(null=True)
    deadline_seconds = models.PositiveIntegerField()
    deadline_at = models.DateTimeField()
    restored = models.BooleanField(default=False)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.BigIntegerField(default=0)
    claims_without_progress = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[Any] = TaskQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "mode", "idempotency_key"], name="one_task_per_idempotency_key"),
            models.CheckConstraint(
                condition=Q(status__in=UNFINISHED, completed_at=None, next_run_at__isnull=False)
                | Q(status__in=TERMINAL, completed_at__isnull=False, next_run_at=None, lease_until=None),
                name="terminal_task_has_ended",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.COMPLETED, cost__gt=0) | (~Q(status=Status.COMPLETED) & Q(cost=0)),
                name="only_completed_task_costs",
            ),
        ]
        indexes: ClassVar = [
            # Not "status in": only IS NOT NULL is still recognised in a prepared statement's generic plan.
            models.Index(fields=["next_run_at"], condition=Q(next_run_at__isnull=False), name="due_tasks"),
            models.Index(fields=["created_at"], name="tasks_by_time"),
            models.Index(fields=["purge_at"], condition=Q(purge_at__isnull=False), name="tasks_to_purge"),
            models.Index(fields=["created_at"], condition=Q(idempotency_key__isnull=False), name="tasks_with_key"),
            models.Index(fields=["account", "mode", "-created_at", "-id"], name="tasks_of_account"),
            models.Index(fields=["account", "mode", "status", "-created_at", "-id"], name="tasks_by_status"),
            models.Index(fields=["account", "mode", "model", "-created_at", "-id"], name="tasks_by_model"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def held(self) -> int:
        return self.unit_price * self.num_outputs

    @property
    def milliseconds(self) -> int | None:
        """From acceptance to the end, None before that."""
        return _milliseconds(self.created_at, self.completed_at)

    @property
    def waited_milliseconds(self) -> int | None:
        """From acceptance until the first route was asked, None before that."""
        return _milliseconds(self.created_at, self.started_at)


def _milliseconds(since: datetime, until: datetime | None) -> int | None:
    return round((until - since) / timedelta(milliseconds=1)) if until else None


class Attempt(models.Model):
    """One route tried for one task; at most one is live. `outcome` is set when it ended without an image.

    The id is the task's and the number `n`, so that there is one attempt of each number. `bought` holds
    its purchases wherever route, process or engine made or loaded it.
    """

    bought: "list[Purchase]"

    class State(models.TextChoices):
        LIVE = "live"
        DONE = "done"
        FAILED = "failed"

    id = models.CharField(max_length=32, primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attempts")
    n = models.PositiveSmallIntegerField()
    route = models.ForeignKey(Route, on_delete=models.PROTECT)
    state = models.CharField(max_length=6, choices=State.choices, default=State.LIVE)
    outcome = models.CharField(max_length=10, choices=[(o.value, o.value) for o in Outcome], blank=True)
    message = models.CharField(max_length=300, blank=True)
    retry_after = models.FloatField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task"], condition=Q(state="live"), name="one_live_attempt_per_task"),
        ]
        indexes: ClassVar = [models.Index(fields=["route"], condition=Q(state="live"), name="live_attempts")]

    def __str__(self) -> str:
        return f"attempt {self.n} of {self.task_id}"

    @staticmethod
    def id_of(task_id: str, n: int) -> str:
        return f"{task_id}.{n}"


class Purchase(models.Model):
    """One paid upstream request, committed before its socket opens, so that it can be sent at most once.

    `images` lists what was stored of it: [{"index", "path", "content_type", "bytes", "width", "height"}].
    `cost` is what the vendor takes for it; `leak` the part that brought the customer nothing.
    `hint` is the upstream id a callback of the vendor named; nobody but the callback writes it.
    `is_excused` where the failure may not be the vendor's; known only to the process that met it.
    """

    is_excused = False

    class State(models.TextChoices):
        SUBMITTING = "submitting"
        ACCEPTED = "accepted"
        DONE = "done"
        FAILED = "failed"
        REJECTED = "rejected"
        NOT_SENT = "not_sent"
        UNKNOWN = "unknown"

    client_ref = models.CharField(max_length=40, primary_key=True)
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="purchases")
    index = models.PositiveSmallIntegerField()
    first_image = models.PositiveSmallIntegerField()
    images_asked = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.SUBMITTING)
    outcome = models.CharField(max_length=10, choices=[(o.value, o.value) for o in Outcome], blank=True)
    message = models.CharField(max_length=300, blank=True)
    upstream_id = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    polls = models.PositiveIntegerField(default=0)
    cost = UsdField(default=0)
    leak = UsdField(default=0)
    images = models.JSONField(default=list)
    sent_at = models.DateTimeField()
    give_up_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["attempt", "index"], name="one_purchase_per_index")]
        indexes: ClassVar = [models.Index(fields=["sent_at"], name="purchases_by_time")]

    def __str__(self) -> str:
        return self.client_ref

    @property
    def is_open(self) -> bool:
        """Whether there is still something to wait for."""
        if self.state == Purchase.State.UNKNOWN:
            return self.give_up_at is not None
        return self.state in (Purchase.State.SUBMITTING, Purchase.State.ACCEPTED)

    @property
    def is_lost(self) -> bool:
        """Whether it may have been sent and nobody heard the answer."""
        return self.is_open and self.state != Purchase.State.ACCEPTED


# What may have cost money at the vendor.
PAID = tuple(state for state in Purchase.State if state not in (Purchase.State.REJECTED, Purchase.State.NOT_SENT))


class Output(models.Model):
    """One delivered image. Rows exist only for completed tasks, and stay; once the file is gone `path` is empty."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="outputs")
    index = models.PositiveSmallIntegerField()
    path = models.CharField(max_length=120)
    content_type = models.CharField(max_length=20)
    bytes = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["task", "index"], name="one_output_per_index")]

    def __str__(self) -> str:
        return self.path


class Heartbeat(models.Model):
    """A worker process that is alive and working, not only running."""

    worker = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.worker
