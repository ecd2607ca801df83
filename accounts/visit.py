"""A visit: an operator at the dashboard of an account, to see what its people see. It changes nothing.

It begins with a reason, which the account reads in its own audit log, and is over after an hour.
"""

from datetime import datetime, timedelta

from django.contrib.sessions.backends.base import SessionBase

from accounts import auditlog
from accounts.models import Account, User
from eggapi import clock

LASTS = timedelta(hours=1)
SLOT = "visit"


def begin(session: SessionBase, account: Account, operator: User, reason: str) -> None:
    auditlog.note("account.visit", str(account), operator, account, reason=reason)
    session[SLOT] = [account.pk, clock.iso(clock.now() + LASTS)]


def host(session: SessionBase, user: User) -> Account | None:
    """The account this session visits; None once the hour is over, or the person is no operator any more."""
    account_id, until = session.get(SLOT, (None, ""))
    if account_id is None or clock.now() >= datetime.fromisoformat(until) or not may(user):
        return None
    return Account.objects.filter(pk=account_id).first()


def may(user: User) -> bool:
    return user.is_staff and user.has_perm("accounts.change_account")


def end(session: SessionBase) -> None:
    session.pop(SLOT, None)
