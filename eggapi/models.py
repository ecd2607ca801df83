"""The kit's tables: what operators and customers are to be told."""

from typing import ClassVar

from django.db import models

LONGEST_CAUSE = 200


class Alert(models.Model):
    """Something for the operator to look at: a row per cause, opened again when the cause comes again.

    `count` and `raised_at` are of the present or latest time it was open. `told_at` is when it was last decided to
    tell of it; `mail_due_at` and `post_due_at` are when to try the next sending, empty where nothing waits to be sent.
    """

    cause = models.CharField(max_length=LONGEST_CAUSE, unique=True)
    text = models.TextField()
    count = models.PositiveBigIntegerField()
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    mail_due_at = models.DateTimeField(null=True)
    post_due_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.cause

    @property
    def state(self) -> str:
        return "ended" if self.ended_at else "raised"


class Letter(models.Model):
    """A mail on its way, deleted once it is sent. `due_at` is when to try, or to try again.

    Without a mail server it has none: the letter stays for operators to read, for a week.
    """

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return self.subject


class Incident(models.Model):
    """What operators say on /status: over from `ended_at` on. `part` is a model's name, empty for everything."""

    class Impact(models.TextChoices):
        NOTICE = "notice"
        DEGRADED = "degraded"
        DOWN = "down"

    title = models.CharField(max_length=120)
    text = models.TextField()
    impact = models.CharField(max_length=8, choices=Impact.choices, default=Impact.DEGRADED)
    part = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.title


class Day(models.Model):
    """How a part of the service (`api`, `workers`, or a model's name) did on one UTC day, looked at every minute."""

    part = models.CharField(max_length=64)
    day = models.DateField()
    looks = models.PositiveIntegerField(default=0)
    degraded = models.PositiveIntegerField(default=0)
    down = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["part", "day"], name="one_day_per_part")]

    def __str__(self) -> str:
        return f"{self.part} {self.day}"


class Switch(models.Model):
    """Something an operator has switched off; there is no row for what is on. `by` is an e-mail address."""

    name = models.CharField(max_length=40, primary_key=True)
    reason = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=254)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return self.name
