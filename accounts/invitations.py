"""Invitations: a link by mail that lets somebody join an account or, without an account, sign up."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import auditlog, letters
from accounts.models import Account, Invitation, Membership, User
from eggapi import clock, crypto, ratelimit
from eggapi.envelope import base_url
from eggapi.ids import BASE62, random_text

Role = Membership.Role
VALID_FOR = timedelta(days=7)
# They are mails to strangers, sent on a customer's word.
PER_ACCOUNT = ratelimit.Limit(20, per_seconds=3600, name="invitations")


KEPT = timedelta(days=30)  # after it has expired, so that who invited sees that nobody came


class InvitationRefused(Exception):
    """Its text says why, to the person who invites."""


@transaction.atomic
def invite(email: str, by: User, account: Account | None = None, role: str = Role.DEVELOPER) -> str:
    """Mails a link to join `account` in `role` or, without an account, to sign up, and returns it.

    It works once and for seven days; an earlier one to the same address for the same thing is void.
    `email` must be an address. Raises InvitationRefused.
    """
    email = email.strip().lower()
    if account:
        # Asked for first: while the account's row is held nobody waits for anything but the database.
        if not ratelimit.take(f"invite:{account.pk}", PER_ACCOUNT).allowed:
            raise InvitationRefused("These are many invitations. Send the next ones in an hour.")
        # One invitation of an address at a time.
        if Account.objects.select_for_update(no_key=True).get(pk=account.pk).delete_at:
            raise InvitationRefused("This account is about to be closed.")
        if Membership.objects.filter(account=account, user__email=email).exists():
            raise InvitationRefused(f"{email} is in this account already.")
    elif User.objects.filter(email=email).exists():
        raise InvitationRefused(f"{email} has signed up already.")
    token, now = random_text(32, BASE62), clock.now()
    Invitation.objects.filter(account=account, email=email, used_at=None).delete()
    Invitation.objects.create(
        email=email,
        account=account,
        role=role,
        digest=crypto.digest(token),
        invited_by=by,
        created_at=now,
        expires_at=now + VALID_FOR,
    )
    auditlog.note("invitation.send", email, by, account, role=role if account else None)
    link = f"{base_url()}/join/{token}"
    letters.to([email], "invitation", email=email, by=by, account=account, role=role, link=link)
    return link


@transaction.atomic
def revoke(invitation: Invitation, by: User | None = None) -> bool:
    """Its link stops working. False if it was used before."""
    revoked, _ = Invitation.objects.filter(pk=invitation.pk, used_at=None).delete()
    if revoked:
        auditlog.note("invitation.revoke", invitation.email, by, invitation.account)
    return bool(revoked)


def find(token: str) -> Invitation | None:
    """The invitation behind a link, if it can still be accepted."""
    return _open().filter(digest__in=crypto.digests(token)).select_related("account", "invited_by").first()


def kept(invitation_id: object) -> Invitation | None:
    """The same for the id that a browser session keeps while its person signs up."""
    if not isinstance(invitation_id, int):
        return None
    return _open().filter(pk=invitation_id).select_related("account").first()


@transaction.atomic
def accept(invitation: Invitation, user: User) -> bool:
    """Makes `user` a member of the account, if it is for one; to the first who asks, False for all others.

    It is for one address: False for a person with another one.
    """
    # No join here: it would move the guard into a subquery, which PostgreSQL does not ask again after a wait.
    unused = Invitation.objects.filter(pk=invitation.pk, used_at=None, expires_at__gt=Now())
    if user.email != invitation.email or kept(invitation.pk) is None or not unused.update(used_at=Now()):
        return False
    if invitation.account:
        Membership.objects.get_or_create(account=invitation.account, user=user, defaults={"role": invitation.role})
        auditlog.note("invitation.accept", user.email, user, invitation.account, role=invitation.role)
    return True


def _open() -> QuerySet[Invitation]:
    """Nobody joins an account that is about to be closed."""
    stays = Q(account=None) | Q(account__delete_at=None, account__deleted_at=None)
    return Invitation.objects.filter(stays, used_at=None, expires_at__gt=Now())


def purge(now: datetime) -> None:
    """Forgets those that nobody followed in time."""
    Invitation.objects.filter(used_at=None, expires_at__lt=now - KEPT).delete()
