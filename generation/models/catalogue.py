"""What is sold and where it can be bought: the rows operators edit."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Mode
from eggapi import crypto
from eggapi.money import UsdField


class CatalogueVersion(models.Model):
    """A single row, counted up by every change of models, prices, providers and routes.

    Every process re-reads the catalogue when it sees a new number.
    """

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


class ImageModel(models.Model):
    """A model customers can name. `resolutions` in the order shown; the first is the default."""

    name = models.CharField(max_length=64, unique=True)
    description = models.CharField(max_length=200)
    resolutions = models.JSONField()
    enabled = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class Price(models.Model):
    """What one image costs the customer from `since` on. Rows are added, never edited."""

    model = models.ForeignKey(ImageModel, on_delete=models.CASCADE, related_name="prices")
    resolution = models.CharField(max_length=4)
    amount = UsdField()
    since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "resolution", "since"], name="one_price_at_a_time"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="price_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.resolution} {self.amount}"


class Provider(models.Model):
    """An upstream account: which adapter speaks to it, where, and with which credential (encrypted).

    `concurrency` bounds the attempts that are live on it at a time, None does not. `result_hosts` are
    `host` or `host:port` of its pictures that may be private addresses. A balance below `low_balance`, in the
    vendor's unit, is reported; None takes the adapter's own figure.
    """

    name = models.CharField(max_length=64, unique=True)
    adapter = models.CharField(max_length=32)
    base_url = models.CharField(max_length=200, blank=True)
    credential_encrypted = models.TextField(blank=True)
    callback_secret_encrypted = models.TextField(blank=True)
    concurrency = models.PositiveIntegerField(null=True, blank=True)
    result_hosts = models.JSONField(default=list, blank=True)
    low_balance = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    enabled = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name

    @property
    def credential(self) -> str:
        return crypto.decrypt(self.credential_encrypted) if self.credential_encrypted else ""

    @property
    def callback_secret(self) -> str:
        return crypto.decrypt(self.callback_secret_encrypted) if self.callback_secret_encrypted else ""

    @property
    def mode(self) -> Mode:
        """Test keys reach only the sandbox, live keys never do."""
        return Mode.TEST if self.adapter == "sandbox" else Mode.LIVE


class Route(models.Model):
    """One way to buy one of our models. Lower `priority` goes first, equal ones by `weight` at random.

    `cost` is what an image costs us, `cost_4k` at 4k where that differs, `cost_per_reference` what each
    picture to edit adds. `official` routes serve `strategy=official`. With `require_margin` it is never
    used where it would lose money. `conditions` narrow what it is used for: {"resolution": ["4k"]}.
    `label` is all that customers see of it. Until `drill_until` it is made to fail, as a fire drill.
    """

    model = models.ForeignKey(ImageModel, on_delete=models.CASCADE, related_name="routes")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="routes")
    upstream_model = models.CharField(max_length=128)
    label = models.CharField(max_length=40)
    priority = models.IntegerField(default=10)
    weight = models.PositiveIntegerField(default=1)
    cost = UsdField(default=0)
    cost_4k = UsdField(null=True, blank=True)
    cost_per_reference = UsdField(default=0)
    official = models.BooleanField(default=False)
    require_margin = models.BooleanField(default=False)
    conditions = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    drill_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "provider", "upstream_model"], name="one_route_per_way"),
        ]

    def __str__(self) -> str:
        return f"{self.model} via {self.provider}"


class Breaker(models.Model):
    """A model of a provider that is failing; there is no row for one that is well.

    Until `open_until` nothing is bought there. After that one attempt at a time is let through, the `probe`;
    it counts as lost at `probe_until`. `seconds` is how long the breaker was opened for, doubled by every
    probe that fails. `is_probed` is set by whoever read it: whether the probe is still under way.
    """

    is_probed: bool

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="breakers")
    upstream_model = models.CharField(max_length=128)
    reason = models.CharField(max_length=300)
    opened_at = models.DateTimeField()
    open_until = models.DateTimeField()
    seconds = models.PositiveIntegerField()
    probe = models.CharField(max_length=32, blank=True)
    probe_until = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "upstream_model"], name="one_breaker_per_upstream_model"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.upstream_model}"
