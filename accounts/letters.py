"""Mail to the people who own an account."""

from typing import Any

from django.template.loader import render_to_string

from accounts.models import Account, Membership
from eggapi import mail
from eggapi.envelope import base_url


def to_owners(account: Account, template: str, **facts: Any) -> None:
    """Writes templates/mails/{template}.txt to each of them; its first line is the subject."""
    letter = render_to_string(f"mails/{template}.txt", {"account": account, "base_url": base_url(), **facts})
    subject, _, text = letter.strip().partition("\n")
    owners = Membership.objects.filter(account=account, role=Membership.Role.OWNER, user__is_active=True)
    mail.write(owners.values_list("user__email", flat=True), subject, text.strip() + "\n")
