"""Edit: what operators change of what is sold and where it is bought.

Each verb is one transaction, which every process sees within two seconds and the audit log keeps.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts import auditlog
from accounts.models import User
from eggapi import clock, money
from generation import breaker, catalog, chain
from generation.models import Breaker, ImageModel, Price, Provider

EDITABLE = ("base_url", "concurrency", "result_hosts", "low_balance", "enabled")


@transaction.atomic
def turn(row: ImageModel | Provider, on: bool, actor: User | None) -> bool:
    """Switches a model or a provider on or off; False where it was so already. What was bought is still fetched."""
    catalog.changed()
    manager = type(row)._default_manager
    if not manager.filter(pk=row.pk, enabled=not on).update(enabled=on):
        return False
    kind = "model" if isinstance(row, ImageModel) else "provider"
    auditlog.note(f"{kind}.{'enable' if on else 'disable'}", row.name, actor)
    return True


@transaction.atomic
def enable(provider: Provider, actor: User | None = None) -> tuple[int, int]:
    """Switches a provider and all its routes on, and forgets its failures. Raises BadChain.

    Returns how many routes it has, and how many breakers were closed.
    """
    catalog.changed()
    before = {model: chain.snapshot(model) for model in ImageModel.objects.filter(routes__provider=provider).distinct()}
    turn(provider, True, actor)
    routes = provider.routes.update(enabled=True)
    for model, was in before.items():
        chain.refuse_twins(model)
        chain.note(model, was, actor)
    breakers = list(provider.breakers.select_related("provider"))
    for row in breakers:
        close_breaker(row, actor)
    return routes, len(breakers)


@transaction.atomic
def put_provider(row: Provider, secrets: Mapping[str, str], actor: User) -> list[str]:
    """Saves a new or changed provider, and says what changed about it, in words fit for anybody.

    Secrets that `secrets` lacks stay as they are. The name and the adapter of one that is there are for good: what
    was bought is fetched by its adapter, and alerts know it by its name.
    """
    catalog.changed()
    stored = Provider.objects.filter(pk=row.pk).first()
    if stored is None:
        chain.keep_secrets(row, secrets)
        row.save()
        auditlog.note("provider.add", row.name, actor, adapter=row.adapter)
        return [f"{row.name} added, adapter {row.adapter}"]
    changes = chain.assign(stored, {name: getattr(row, name) for name in EDITABLE}) + chain.keep_secrets(
        stored, secrets
    )
    if changes:
        stored.save()
        auditlog.note("provider.edit", stored.name, actor, changes=changes)
    return changes


@transaction.atomic
def describe(model: ImageModel, description: str, enabled: bool, actor: User) -> None:
    """What customers read of a model, and whether it is on sale."""
    catalog.changed()
    if ImageModel.objects.filter(pk=model.pk).exclude(description=description).update(description=description):
        auditlog.note("model.describe", model.name, actor, description=description)
    turn(model, enabled, actor)


@transaction.atomic
def add_price(model: ImageModel, resolution: str, amount: int, since: datetime | None, actor: User) -> Price:
    """What an image costs customers from `since` on, by default from now; `amount` in micro-dollars.

    Prices before stay as they are, and so do tasks that were accepted at them.
    """
    catalog.changed()
    price = Price.objects.create(model=model, resolution=resolution, amount=amount, since=since or clock.now())
    told = {"amount": money.display(amount), "since": clock.iso(price.since)}
    auditlog.note("price.add", model.name, actor, None, resolution=resolution, **told)
    return price


@transaction.atomic
def close_breaker(row: Breaker, actor: User | None) -> None:
    """Lets tasks go there again at once."""
    auditlog.note("breaker.close", str(row)[:200], actor, reason=row.reason)
    breaker.close(row, row.provider.name)
