"""Mail to people: who own an account, or who have an address and no more."""

from collections.abc import Iterable
from typing import Any

from django.template.loader import render_to_string

from accounts.models import Account, Membership
from eggapi import mail
from eggapi.envelope import base_url


def to_owners(account: Account, template: str, **facts: Any) -> None:
    """Writes templates/mails/{template}.txt to each of them; its first line is the subject."""
    owners = Membership.objects.filter(account=account, role=Membership.Role.OWNER, user__is_active=True)
    to(owners.values_list("user__email", flat=True), template, account=account, **facts)


def to(addresses: Iterable[str], template: str, **facts: Any) -> None:
    """Writes templates/mails/{template}.txt to each of these addresses; its first line is the subject."""
    letter = render_to_string(f"mails/{template}.txt", {"base_url": base_url(), **facts})
    subject, _, text = letter.strip().partition("\n")
    mail.write(addresses, subject, text.strip() + "\n")
