"""Who is calling: people, the accounts they share, and the keys of those accounts."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from eggapi import clock, ids
from eggapi.money import UsdField


class Mode(models.TextChoices):
    LIVE = "live"
    TEST = "test"


class UserManager(BaseUserManager["User"]):
    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        return super().normalize_email(email).lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A password of None makes an account that signs in by link only."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person, known by e-mail address (stored in lower case).

    `terms_version` is the version of the terms they accepted, at `terms_at`.
    """

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)
    terms_version = models.CharField(max_length=20, blank=True)
    terms_at = models.DateTimeField(null=True, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.email


class Account(models.Model):
    """Holds the keys, the wallets and the tasks; people belong to it through memberships.

    `monthly_cap` bounds what live keys may spend in a calendar month (UTC). Below `low_balance` a mail is
    sent, once until `low_balance_told_at` is empty again; `dear_hour_told_at` is when one was last sent of
    an hour that cost far more than usual. `retention_days` is how long results are kept (None: as the
    installation does). With `zero_retention` a task's prompt and pictures go once its result has been
    delivered. At `delete_at` an account its owner gave up is emptied.
    """

    name = models.CharField(max_length=254)  # at first it is an address
    created_at = models.DateTimeField(auto_now_add=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    monthly_cap = UsdField(null=True, blank=True)
    low_balance = UsdField(null=True, blank=True)
    low_balance_told_at = models.DateTimeField(null=True, blank=True)
    dear_hour_told_at = models.DateTimeField(null=True, blank=True)
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    zero_retention = models.BooleanField(default=False)
    billing_name = models.CharField(max_length=200, blank=True)
    vat_number = models.CharField(max_length=40, blank=True)
    delete_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    members = models.ManyToManyField(User, through="Membership", related_name="accounts")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person in an account. What each role may do is written in `accounts.member`."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        DEVELOPER = "developer"
        BILLING = "billing"
        READER = "reader"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.OWNER)
    joined_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "user"], name="one_membership_per_user")]

    def __str__(self) -> str:
        return f"{self.user} in {self.account}"


class Invitation(models.Model):
    """Lets `email` join an account in a role or, without an account, sign up. Only the token's digest is kept."""

    email = models.EmailField()
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True, related_name="invitations")
    role = models.CharField(max_length=10, choices=Membership.Role.choices, default=Membership.Role.DEVELOPER)
    digest = models.BinaryField(max_length=32, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="invited")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "email"], condition=Q(used_at=None), name="one_open_invitation"),
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        """Those whose state is usable, by the database's clock."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None, disabled_at=None)


class ApiKey(models.Model):
    """A bearer key of an account. The key itself is shown once and never stored.

    `display` is what people see afterwards: egg_live_...Ab3d. Empty lists of `scopes`,
    `allowed_models` and `cidrs` allow everything. `budget` is what it may spend per `budget_period` (empty: in all);
    `rate` is in POST /v1/generate per `rate_seconds`, `concurrency` in unfinished tasks.
    """

    class Period(models.TextChoices):
        DAY = "day"
        WEEK = "week"
        MONTH = "month"

    class Scope(models.TextChoices):
        GENERATE = "generate"
        TASKS_READ = "tasks:read"
        USAGE_READ = "usage:read"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="keys")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True)
    display = models.CharField(max_length=20)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    allowed_models = models.JSONField(default=list, blank=True)
    cidrs = models.JSONField(default=list, blank=True)
    rate = models.PositiveIntegerField(null=True, blank=True)
    rate_seconds = models.PositiveIntegerField(default=60)
    concurrency = models.PositiveIntegerField(null=True, blank=True)
    budget = UsdField(null=True, blank=True)
    budget_period = models.CharField(max_length=5, choices=Period.choices, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="key_mode_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.display})"

    def state(self, now: datetime) -> str:
        """usable, disabled, expired or revoked"""
        if self.revoked_at:
            return "revoked"
        if self.expires_at and self.expires_at <= now:
            return "expired"
        return "disabled" if self.disabled_at else "usable"

    def revoke(self) -> bool:
        """The next request with this key fails. False if it was revoked before."""
        return bool(ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=clock.now()))


class AuditEntry(models.Model):
    """Who did what: written once, by whatever did it. `actor` is None for the system and for commands.

    `ip` is where the request came from that did it, if one did.
    """

    at = models.DateTimeField()
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=300, blank=True)
    detail = models.JSONField(default=dict)
    ip = models.GenericIPAddressField("IP", null=True)

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


class LoginLink(models.Model):
    """Signs a person in once, without a password, until `expires_at`. Only the token's digest is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_links")
    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"sign-in link of {self.user}"


class Export(models.Model):
    """All that is kept of an account, as a ZIP that somebody of it asked for: to be made until `made_at`.

    There is one per account; a new one takes the place of the last. `token` is the part of the file's address that
    nobody can guess. File and row go at `expires_at`.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="export")
    token = models.CharField(max_length=32, default=ids.path_token)
    requested_at = models.DateTimeField()
    made_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    bytes = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"export of account {self.account_id}"

    @property
    def path(self) -> str:
        return f"exports/{self.token}/eggapi-account.zip"
