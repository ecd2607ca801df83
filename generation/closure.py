"""Closure: an account that its owner gives up is emptied a week later. What was paid for what stays, without a name."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_bytes

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from accounts import auditlog, letters
from accounts.models import Account, ApiKey, AuditEntry, Export, Invitation, Membership, Mode, User
from eggapi import clock
from eggapi.models import Letter
from generation import export, privacy
from generation.models import Task
from webhooks import forgetting

log = logging.getLogger("eggapi.closure")

WAIT = timedelta(days=7)
BATCH = 500


def ask(account: Account, actor: User) -> Account:
    """From now on no key of the account works; in a week it is emptied. Asking again changes nothing."""
    with transaction.atomic():
        still_open = Account.objects.filter(pk=account.pk, delete_at=None)
        is_news = still_open.update(delete_at=clock.now() + WAIT)
        account.refresh_from_db()
        if is_news:
            auditlog.note("account.close", str(account), actor, account)
            letters.to_owners(account, "account_closing")
    return account


def take_back(account: Account, actor: User) -> Account:
    """Its keys work again. Once the week is over it is too late, and this changes nothing."""
    with transaction.atomic():
        closing = Account.objects.filter(pk=account.pk, delete_at__gt=clock.now())
        if closing.update(delete_at=None):
            auditlog.note("account.reopen", str(account), actor, account)
    account.refresh_from_db()
    return account


def empty_due(now: datetime) -> None:
    """Empties the accounts whose week is over. Killed anywhere, it goes on where it was."""
    for account in Account.objects.filter(delete_at__lte=now, deleted_at=None):
        try:
            _empty(account, now)
        except Exception as error:  # one that cannot be emptied must not keep the others waiting
            log.error("account not emptied", extra={"account": account.pk}, exc_info=error)


def _empty(account: Account, now: datetime) -> None:
    """In several transactions; the account is deleted once there is nothing left, which may take another time."""
    _forget_keys(account, now)
    _forget_people(account)
    if Task.objects.unfinished().filter(account=account).exists():
        return  # they end by their deadlines
    for task_ids in _tasks_to_wipe(account):
        with transaction.atomic():
            privacy.wipe(task_ids, now)
            tasks = Task.objects.filter(pk__in=task_ids)
            tasks.filter(purge_at__isnull=False).update(purge_at=now)
            tasks.update(webhook_url="", idempotency_key=None, request_digest=b"")
    forgetting.forget_account(account.pk, now)
    for made in Export.objects.filter(account=account):
        export.remove(made)
    files_are_left = Task.objects.filter(account=account, purge_at__isnull=False).exists()
    if not files_are_left and not Export.objects.filter(account=account).exists():
        _forget_name(account, now)


def _forget_keys(account: Account, now: datetime) -> None:
    """The rows stay, since tasks and usage are of them; nothing of the keys does."""
    for key in ApiKey.objects.filter(account=account).exclude(display__endswith="..."):
        ApiKey.objects.filter(pk=key.pk).update(
            name="",
            display=f"egg_{key.mode}_...",
            cidrs=[],
            digest=token_bytes(32),
            revoked_at=Coalesce("revoked_at", now),
        )


def _forget_people(account: Account) -> None:
    """Whoever belongs to another account too, or is an operator, stays a person and leaves this one."""
    for person in account.members.filter(is_staff=False):
        if person.accounts.count() == 1:
            Letter.objects.filter(to=person.email).delete()
            person.delete()
    Membership.objects.filter(account=account).delete()
    Invitation.objects.filter(account=account).delete()


def _tasks_to_wipe(account: Account) -> Iterator[list[str]]:
    left = Task.objects.filter(Q(wiped_at=None) | ~Q(webhook_url=""), account=account)
    for mode in Mode:
        since = datetime(2000, 1, 1, tzinfo=UTC)
        while batch := list(
            left.filter(mode=mode, created_at__gte=since).order_by("created_at").values_list("pk", "created_at")[:BATCH]
        ):
            yield [pk for pk, _ in batch]
            since = batch[-1][1]  # so that no batch has to read past all those before it


@transaction.atomic
def _forget_name(account: Account, now: datetime) -> None:
    AuditEntry.objects.filter(account=account).update(target="", detail={}, ip=None)
    changed = Account.objects.filter(pk=account.pk, deleted_at=None).update(
        name=f"deleted account {account.pk}", billing_name="", vat_number="", deleted_at=now
    )
    if changed:
        auditlog.note("account.delete", f"deleted account {account.pk}", None, account)
