"""What an account decides about itself: its names, limits and privacy. Every change has a line in the audit log."""

from typing import Any

from django.db import transaction

from accounts import auditlog
from accounts.models import Account, User
from eggapi import money
from eggapi.money import UsdField


@transaction.atomic
def amend(account: Account, actor: User, **columns: Any) -> list[str]:
    """Sets these columns of Account; returns the names of those that were different before.

    From another low balance on, its owners are told anew.
    """
    before = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    changed = [name for name, value in columns.items() if getattr(before, name) != value]
    if changed:
        told = {"low_balance_told_at": None} if "low_balance" in changed else {}
        Account.objects.filter(pk=account.pk).update(**columns, **told)
        detail = {name: f"{_shown(name, getattr(before, name))} → {_shown(name, columns[name])}" for name in changed}
        auditlog.note("account.change", str(account), actor, account, **detail)
    return changed


def _shown(name: str, value: Any) -> str:
    if value in (None, ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return money.display(value) if isinstance(Account._meta.get_field(name), UsdField) else str(value)
