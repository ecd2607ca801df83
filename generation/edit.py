"""Edit: what operators change of what is sold and where it is bought.

Each verb is one transaction, which every process sees within two seconds and the audit log keeps.
"""

from collections.abc import Mapping

from django.db import transaction

from accounts import auditlog
from accounts.models import User
from generation import catalog, chain
from generation.models import ImageModel, Provider

EDITABLE = ("base_url", "concurrency", "result_hosts", "low_balance", "enabled")


@transaction.atomic
def turn(row: ImageModel | Provider, on: bool, actor: User) -> bool:
    """Switches a model or a provider on or off; False where it was so already. What was bought is still fetched."""
    manager = type(row)._default_manager
    if not manager.filter(pk=row.pk, enabled=not on).update(enabled=on):
        return False
    catalog.changed()
    kind = "model" if isinstance(row, ImageModel) else "provider"
    auditlog.note(f"{kind}.{'enable' if on else 'disable'}", row.name, actor)
    return True


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
