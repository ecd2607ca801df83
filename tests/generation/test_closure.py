"""An account that is given up: shut at once, emptied in a week, and what was paid stays to be audited."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.db.models import F
from pytest_django import Settings

from accounts import auditlog, invitations
from accounts.caller import Caller
from accounts.invitations import InvitationRefused
from accounts.models import Account, AuditEntry, Invitation, Membership, User
from accounts.opening import account_of
from billing.models import LedgerEntry, UsageRecord, Wallet
from eggapi import clock
from eggapi.models import Letter
from generation import closure, retention, storage
from generation.audit import audit_ledger
from generation.models import Task
from generation.settle import Ending, settle
from generation.storage import Picture
from generation.submit import submit
from tests.customer import Answer, Customer
from tests.emulators.upstream import picture
from webhooks.models import Delivery, Secret

pytestmark = pytest.mark.django_db
ALICE = "alice@example.com"


@pytest.fixture(autouse=True)
def files(settings: Settings, tmp_path: Path) -> Path:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}
    return tmp_path / "files"


@pytest.fixture
def alice(on_sale: None) -> Customer:
    customer = Customer(ALICE)
    customer.sign_in()
    return customer


def ended(customer: Customer, *, completed: bool = True, **fields: Any) -> Task:
    """A task that was submitted, paid for and settled as any other, with its picture in the storage."""
    body = {"model": "nanobanana", "prompt": "PRIVATE prompt", "webhook_url": "https://private.example/hook"} | fields
    task, _ = submit(Caller(customer.account.pk, customer.mode, customer.key.pk), body, "PRIVATE key")
    pictures: list[Picture] = []
    if completed:
        pictures = [storage.store(task.pk, task.path_token, 0, io.BytesIO(picture("16:9", "1k")))]
    settle([Ending(task, "completed" if completed else "deadline", "no", pictures, fenced=False)])
    task.refresh_from_db()
    return task


def ask(customer: Customer, what: str = "delete", **headers: str) -> Answer:
    headers = {"Authorization": "", "X_CSRFToken": customer.csrf_token} | headers
    return customer.send("POST", f"/v1/account/{what}", **headers)


def a_week_later() -> None:
    Account.objects.update(delete_at=F("delete_at") - closure.WAIT)
    retention.purge()
    retention.purge()  # the files went in the first, and with them the last that was in the way


class TestAsking:
    def test_it_works(self, alice: Customer) -> None:
        assert alice.get("/v1/balance").status == 200
        answer = ask(alice)
        account = Account.objects.get(pk=alice.account.pk)
        assert account.delete_at
        assert (answer.status, answer.data) == (200, {"delete_at": clock.iso(account.delete_at)})
        assert timedelta(days=6, hours=23) < account.delete_at - clock.now() <= timedelta(days=7)
        assert alice.get("/v1/balance").refusal == (401, "UNAUTHORIZED")

    def test_asking_again_changes_nothing(self, alice: Customer) -> None:
        assert ask(alice).data == ask(alice).data
        assert Letter.objects.count() == 1

    def test_the_owners_are_told(self, alice: Customer) -> None:
        ask(alice)
        letter = Letter.objects.get()
        assert letter.to == ALICE
        assert "will be deleted" in letter.subject
        assert "\nhttp://127.0.0.1:8000/settings\n" in letter.text
        assert [entry.action for entry in AuditEntry.objects.all()] == ["account.close"]

    def test_it_can_be_taken_back(self, alice: Customer) -> None:
        ask(alice)
        assert ask(alice, "delete/cancel").data == {"delete_at": None}
        assert alice.get("/v1/balance").status == 200
        a_week_later()
        assert Account.objects.get(pk=alice.account.pk).deleted_at is None

    def test_nothing_is_removed_before_the_week_is_over(self, alice: Customer) -> None:
        task = ended(alice)
        ask(alice)
        retention.purge()
        task.refresh_from_db()
        assert (task.prompt, alice.account.members.count()) == ("PRIVATE prompt", 1)

    def test_nobody_joins_any_more(self, alice: Customer) -> None:
        owner, guest = alice.account.members.get(), User.objects.create_user("guest@example.com")
        invitations.invite(guest.email, owner, alice.account)
        invited = Invitation.objects.get()
        ask(alice)
        with pytest.raises(InvitationRefused, match="about to be closed"):
            invitations.invite("another@example.com", owner, alice.account)
        assert not invitations.accept(invited, guest)
        ask(alice, "delete/cancel")
        assert invitations.accept(invited, guest)
        ask(alice)
        a_week_later()
        assert (Invitation.objects.count(), alice.account.members.count()) == (0, 0)

    def test_only_owners_may(self, alice: Customer) -> None:
        guest = User.objects.create_user("guest@example.com")
        Membership.objects.create(account=alice.account, user=guest, role=Membership.Role.DEVELOPER)
        alice.http.force_login(guest)
        alice.http.cookies["csrftoken"] = alice.csrf_token
        assert [ask(alice, what).refusal for what in ("delete", "delete/cancel")] == [(403, "FORBIDDEN")] * 2

    def test_a_key_is_not_enough(self, alice: Customer) -> None:
        assert ask(alice, Authorization=f"Bearer {alice.secret}").refusal == (401, "UNAUTHORIZED")
        assert ask(alice, X_CSRFToken="").refusal == (403, "FORBIDDEN")
        assert Account.objects.get(pk=alice.account.pk).delete_at is None


class TestEmptying:
    def test_nothing_private_is_left(self, alice: Customer, files: Path) -> None:
        alice.account.billing_name = "PRIVATE Ltd"
        alice.account.save()
        alice.key.name, alice.key.cidrs = "PRIVATE laptop", ["203.0.113.0/24"]
        alice.key.save()
        ended(alice)
        Task.objects.update(idempotency_key=None)
        ended(alice, completed=False)
        auditlog.note("key.roll", "PRIVATE laptop", alice.account.members.get(), alice.account, name="PRIVATE")
        AuditEntry.objects.update(ip="192.0.2.7")
        ask(alice)
        a_week_later()
        assert remains("PRIVATE", "private.example", "alice", "203.0.113.0", "192.0.2.7", alice.key.display) == []
        assert list(files.rglob("*.png")) == []
        assert not User.objects.exists()
        assert not Secret.objects.exists()
        assert not Delivery.objects.exists()

    def test_the_money_stays_under_a_pseudonym(self, alice: Customer) -> None:
        task = ended(alice)
        before = money_of(alice.account)
        ask(alice)
        a_week_later()
        account = Account.objects.get(pk=alice.account.pk)
        assert (account.name, account.deleted_at is None) == (f"deleted account {account.pk}", False)
        assert money_of(account) == before
        task.refresh_from_db()
        assert (task.cost, task.outputs.count(), task.wiped_at is None) == (10_000, 1, False)
        assert audit_ledger() == []

    def test_it_waits_for_tasks_under_way(self, alice: Customer) -> None:
        task, _ = submit(Caller(alice.account.pk, alice.mode), {"model": "nanobanana", "prompt": "PRIVATE"})
        ask(alice)
        a_week_later()
        task.refresh_from_db()
        assert (task.status, task.prompt) == ("pending", "PRIVATE")
        assert Account.objects.get(pk=alice.account.pk).deleted_at is None
        settle([Ending(task, "deadline", "Timed out", fenced=False)])
        a_week_later()
        task.refresh_from_db()
        assert task.prompt == ""
        assert Account.objects.get(pk=alice.account.pk).deleted_at

    def test_it_waits_for_the_storage(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object) -> None:
            raise ConnectionError

        ended(alice)
        ask(alice)
        with monkeypatch.context() as broken:
            broken.setattr(FileSystemStorage, "delete", away)
            a_week_later()
        assert Account.objects.get(pk=alice.account.pk).deleted_at is None
        Task.objects.update(purge_at=clock.now())
        a_week_later()
        assert Account.objects.get(pk=alice.account.pk).deleted_at

    def test_others_are_left_alone(self, alice: Customer) -> None:
        bob = Customer("bob@example.com")
        task = ended(bob)
        ask(alice)
        a_week_later()
        task.refresh_from_db()
        assert (task.prompt, bob.get("/v1/balance").status, bob.account.members.count()) == ("PRIVATE prompt", 200, 1)
        assert default_storage.exists(task.outputs.get().path)
        assert Delivery.objects.count() == 1

    def test_who_belongs_elsewhere_stays_a_person(self, alice: Customer) -> None:
        other = account_of("bob@example.com")
        person = alice.account.members.get()
        Membership.objects.create(account=other, user=person, role=Membership.Role.DEVELOPER)
        ask(alice)
        a_week_later()
        assert list(person.accounts.all()) == [other]

    def test_an_operator_stays_one(self, alice: Customer) -> None:
        User.objects.filter(email=ALICE).update(is_staff=True)
        ask(alice)
        a_week_later()
        assert User.objects.get(email=ALICE).accounts.count() == 0

    def test_it_goes_through_many_in_batches(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(closure, "BATCH", 2)
        for _ in range(5):
            Task.objects.update(idempotency_key=None)
            ended(alice)
        ask(alice)
        a_week_later()
        assert not Task.objects.exclude(prompt="").exists()


def money_of(account: Account) -> list[Any]:
    wallets = Wallet.objects.filter(account=account).values_list("mode", "posted", "held", "task_count")
    entries = LedgerEntry.objects.filter(wallet__account=account).values_list("kind", "amount", "task_id")
    records = UsageRecord.objects.filter(account=account).values_list("task_id", "units", "cost")
    return [list(rows.order_by("pk")) for rows in (wallets, entries, records)]


def remains(*words: str) -> list[tuple[str, str]]:
    """Where in the database any of these words still stands, but for what was once said to operators."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if table.startswith(("django_session", "eggapi_alert")):
                continue
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            text = "\n".join(bytes(v).decode(errors="replace") if isinstance(v, bytes | memoryview) else str(v)
                             for row in cursor.fetchall() for v in row)  # fmt: skip
            found += [(table, word) for word in words if word in text]
    return found
