"""Edit: what operators change of what is sold and where it is bought.

Each verb is one transaction, which every process sees within two seconds and the audit log keeps.
"""

from django.db import transaction

from accounts import auditlog
from accounts.models import User
from generation import catalog
from generation.models import ImageModel, Provider


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
