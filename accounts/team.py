"""Team: who belongs to an account, and in which role. An account never loses its last owner."""

from django.db import transaction

from accounts import auditlog
from accounts.member import Member
from accounts.models import Account, Membership
from eggapi.errors import BadRequest, Forbidden

Role = Membership.Role
LAST_OWNER = "An account needs an owner. Make somebody else one first."
OWNERS_ONLY = "Only an owner can make, change or remove an owner."


@transaction.atomic
def change_role(membership: Membership, role: str, by: Member) -> bool:
    """False if it was this role before. Raises BadRequest for the last owner, Forbidden where only owners may."""
    membership = _locked(membership)
    if membership.role == role:
        return False
    _check(membership, by, makes_owner=role == Role.OWNER)
    Membership.objects.filter(pk=membership.pk).update(role=role)
    auditlog.note("team.role", str(membership.user), by.user, by.account, before=membership.role, after=role)
    return True


@transaction.atomic
def remove(membership: Membership, by: Member) -> None:
    """Also for leaving, which everybody may. Keys belong to the account and stay. Raises as `change_role` does."""
    membership = _locked(membership)
    _check(membership, by)
    Membership.objects.filter(pk=membership.pk).delete()
    left = membership.user_id == by.user.pk
    auditlog.note("team.leave" if left else "team.remove", str(membership.user), by.user, by.account)


def _locked(membership: Membership) -> Membership:
    """As it is now, with its account locked: two owners cannot remove each other. Raises BadRequest if it is gone."""
    Account.objects.select_for_update(no_key=True).get(pk=membership.account_id)
    found = Membership.objects.select_related("user").filter(pk=membership.pk).first()
    if found is None:
        raise BadRequest("This person is in the account no more.")
    return found


def _check(membership: Membership, by: Member, *, makes_owner: bool = False) -> None:
    is_owner = membership.role == Role.OWNER
    if (is_owner or makes_owner) and by.role != Role.OWNER:
        raise Forbidden(OWNERS_ONLY)
    others = Membership.objects.filter(account=membership.account_id, role=Role.OWNER).exclude(pk=membership.pk)
    if is_owner and not others.exists():
        raise BadRequest(LAST_OWNER)
