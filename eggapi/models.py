"""The kit's tables: what operators and customers are to be told."""

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
    """A mail on its way, deleted once it is sent. `due_at` is when to try, or to try again."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.subject
