"""Starting credit: live money for an address that was confirmed, once for each and a few a day for each network."""

import logging

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q

from accounts.models import Membership, Mode, User
from billing import ledger
from billing.models import LedgerEntry, StartingCredit
from eggapi import clock, crypto

log = logging.getLogger("eggapi.billing")


@transaction.atomic
def give(user: User, network: str) -> bool:
    """Credits the person's own account, unless it, their address or enough of their network had it before.

    `network` is the IP address to count by. False if nothing was given.
    """
    amount = settings.EGGAPI_SIGNUP_CREDIT
    own = Membership.objects.filter(user=user, role=Membership.Role.OWNER).select_related("account").order_by("pk")
    membership = own.first() if amount else None
    if membership is None:
        return False
    # One at a time, or two would count each other out: what is counted here has no row that could be locked.
    ContentType.objects.select_for_update(no_key=True).get(app_label="billing", model="startingcredit")
    account, given = membership.account, StartingCredit.objects
    address, now = plain(user.email), clock.now()
    if given.filter(Q(address__in=crypto.digests(address)) | Q(account=account)).exists():
        return False
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if given.filter(ip=network, at__gte=midnight).count() >= settings.EGGAPI_SIGNUP_CREDITS_PER_IP:
        log.warning("no starting credit: enough for this network today", extra={"account": account.pk})
        return False
    given.create(address=crypto.digest(address), ip=network, account=account, amount=amount, at=now)
    ledger.credit(account, Mode.LIVE, amount, reason="starting credit", counterpart=LedgerEntry.Counterpart.PROMO)
    return True


def plain(email: str) -> str:
    """The address that all its spellings with +tag reach."""
    name, _, host = email.strip().lower().rpartition("@")
    return f"{name.partition('+')[0]}@{host}"
