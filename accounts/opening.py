"""Opening an account: the person, the account, and whatever other apps say comes with one."""

from collections.abc import Callable

from django.db import transaction

from accounts.models import Account, Membership, User

_also: list[Callable[[Account], None]] = []
_on_verified: list[Callable[[User, str], object]] = []


def also(make: Callable[[Account], None]) -> None:
    """Registers what else comes with every account (a wallet, a webhook secret); called once, at start."""
    _also.append(make)


def on_verified(do: Callable[[User, str], object]) -> None:
    """Registers what happens when a person has shown that their address is theirs; called once, at start.

    It is given the person and the network they came from.
    """
    _on_verified.append(do)


@transaction.atomic
def verified(user: User, network: str) -> None:
    """The person's address is theirs: what was registered happens, or nothing of it."""
    for do in _on_verified:
        do(user, network)


@transaction.atomic
def open_for(user: User) -> Account:
    """A new account owned by `user`, complete with all that comes with it, or nothing at all."""
    account = Account.objects.create(name=user.email)
    Membership.objects.create(account=account, user=user)
    for make in _also:
        make(account)
    return account


@transaction.atomic
def account_of(email: str) -> Account:
    """The account owned by this address; the person and the account are made if there are none."""
    email = email.strip().lower()
    owners = Membership.objects.filter(user__email=email, role=Membership.Role.OWNER)
    if membership := owners.select_related("account").order_by("pk").first():
        return membership.account
    user = User.objects.filter(email=email).first() or User.objects.create_user(email)
    return open_for(user)
