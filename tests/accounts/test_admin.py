"""What operators see and do."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts import auditlog, keyring, keys
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, AuditEntry, Invitation, Mode, User
from accounts.opening import account_of
from eggapi import alerts
from eggapi.models import Alert, Letter

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(admin_client: Client, admin_user: User) -> Client:
    User.objects.filter(pk=admin_user.pk).update(email="operator@example.com")
    return admin_client


@pytest.fixture
def key() -> tuple[ApiKey, str]:
    return keys.mint(account_of("alice@example.com"), Mode.LIVE, "server")


def act(client: Client, model: str, action: str, row: int) -> int:
    body = {"action": action, "_selected_action": row}
    return int(client.post(f"/admin/accounts/{model}/", body).status_code)


def test_every_page_opens(operator: Client, key: tuple[ApiKey, str]) -> None:
    user, account = User.objects.get(email="alice@example.com"), Account.objects.get()
    auditlog.note("key.make", str(key[0]), user, account)
    for path in [
        "user/",
        "user/add/",
        f"user/{user.pk}/change/",
        f"user/{user.pk}/password/",
        "account/",
        f"account/{account.pk}/change/",
        "apikey/",
        f"apikey/{key[0].pk}/change/",
        "auditentry/",
        f"auditentry/{AuditEntry.objects.get().pk}/change/",
    ]:
        assert operator.get(f"/admin/accounts/{path}").status_code == 200, path


def test_no_page_shows_a_key_or_its_digest(operator: Client, key: tuple[ApiKey, str]) -> None:
    for path in ["apikey/", f"apikey/{key[0].pk}/change/", f"account/{key[0].account_id}/change/"]:
        page = operator.get(f"/admin/accounts/{path}").content.decode()
        assert key[0].display in page
        assert key[1] not in page
        assert key[0].digest.hex() not in page
        assert "digest" not in page


def test_a_key_is_revoked(operator: Client, key: tuple[ApiKey, str]) -> None:
    _, other = keys.mint(key[0].account, Mode.LIVE, "other")
    assert act(operator, "apikey", "revoke", key[0].pk) == 302
    assert keys.find(key[1]) is None
    assert keys.find(other) is not None


def test_a_key_is_disabled_and_enabled(operator: Client, key: tuple[ApiKey, str]) -> None:
    assert act(operator, "apikey", "disable", key[0].pk) == 302
    assert keys.find(key[1]) is None
    assert act(operator, "apikey", "enable", key[0].pk) == 302
    assert keys.find(key[1]) is not None


def test_its_terms_are_shown(operator: Client) -> None:
    new = NewKey("server", scopes=("generate",), cidrs=("10.0.0.0/8",), rate=(20, 3600), budget=5_250_000)
    made, _ = keyring.make(account_of("alice@example.com"), Mode.LIVE, new)
    page = operator.get(f"/admin/accounts/apikey/{made.pk}/change/").content.decode()
    for term in ("generate", "10.0.0.0/8", "20/hour", "$5.2500"):
        assert term in page


def test_all_keys_of_an_account_are_revoked(operator: Client, key: tuple[ApiKey, str]) -> None:
    _, bobs = keys.mint(account_of("bob@example.com"), Mode.LIVE, "bob's")
    assert act(operator, "account", "revoke_all", key[0].account_id) == 302
    assert keys.find(key[1]) is None
    assert keys.find(bobs) is not None


def test_the_audit_log_says_who_did_it(operator: Client, key: tuple[ApiKey, str]) -> None:
    act(operator, "account", "suspend", key[0].account_id)
    act(operator, "account", "suspend", key[0].account_id)
    act(operator, "account", "readmit", key[0].account_id)
    act(operator, "apikey", "revoke", key[0].pk)
    entries = AuditEntry.objects.order_by("pk")
    assert [(entry.action, entry.target) for entry in entries] == [
        ("account.suspend", "alice@example.com"),
        ("account.readmit", "alice@example.com"),
        ("key.revoke", str(key[0])),
    ]
    assert {entry.actor for entry in entries} == {User.objects.get(email="operator@example.com")}
    assert operator.post(f"/admin/accounts/auditentry/{entries[0].pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(("written", "cap"), [("25", 25_000_000), ("$0.016", 16_000), ("", None)])
def test_a_monthly_cap_is_written_in_dollars(
    operator: Client, key: tuple[ApiKey, str], written: str, cap: int | None
) -> None:
    Account.objects.update(monthly_cap=1)
    path = f"/admin/accounts/account/{key[0].account_id}/change/"
    form = operator.get(path).context["adminform"].form
    assert form["monthly_cap"].value() == "$0.000001"
    body = {name: form[name].value() or "" for name in form.fields} | {"monthly_cap": written}
    body.pop("zero_retention")
    for inline in operator.get(path).context["inline_admin_formsets"]:
        body |= {f"{inline.formset.prefix}-TOTAL_FORMS": 0, f"{inline.formset.prefix}-INITIAL_FORMS": 0}
    assert operator.post(path, body).status_code == 302
    assert Account.objects.get().monthly_cap == cap


def test_a_key_is_neither_made_nor_changed_nor_deleted(operator: Client, key: tuple[ApiKey, str]) -> None:
    assert operator.get("/admin/accounts/apikey/add/").status_code == 403
    assert operator.post(f"/admin/accounts/apikey/{key[0].pk}/change/", {"name": "x"}).status_code == 403
    assert operator.post(f"/admin/accounts/apikey/{key[0].pk}/delete/", {"post": "yes"}).status_code == 403
    assert ApiKey.objects.get().name == "server"


def test_an_account_is_suspended_and_readmitted(operator: Client, key: tuple[ApiKey, str]) -> None:
    assert act(operator, "account", "suspend", key[0].account_id) == 302
    suspended = keys.find(key[1])
    assert suspended is not None
    assert suspended.suspended
    assert act(operator, "account", "readmit", key[0].account_id) == 302
    readmitted = keys.find(key[1])
    assert readmitted is not None
    assert not readmitted.suspended


def test_a_new_person_gets_an_account(operator: Client) -> None:
    body = {"email": "Bob@example.com", "usable_password": "false"}
    assert operator.post("/admin/accounts/user/add/", body).status_code == 302
    bob = User.objects.get(email="bob@example.com")
    assert not bob.has_usable_password()
    assert bob.accounts.get().wallets.count() == 2


class TestSuspension:
    def test_it_takes_a_reason(self, operator: Client, key: tuple[ApiKey, str]) -> None:
        path = reverse("admin:accounts_account_shut_out", args=[key[0].account_id])
        assert operator.post(path, {"_form_submitted": "True", "reason": " "}).status_code == 200
        assert not AuditEntry.objects.exists()
        answer = operator.post(path, {"_form_submitted": "True", "reason": "chargeback"})
        assert answer.headers["HX-Redirect"] == f"/admin/accounts/account/{key[0].account_id}/change/"
        assert Account.objects.get().suspended_at
        noted = AuditEntry.objects.get()
        assert (noted.action, noted.detail) == ("account.suspend", {"reason": "chargeback"})


class TestAuditLog:
    def test_it_is_exported(self, operator: Client) -> None:
        account = account_of("alice@example.com")
        auditlog.note("key.make", '=HYPERLINK("x")', User.objects.get(email="alice@example.com"), account, until="now")
        AuditEntry.objects.update(ip="2001:db8::7")
        body = {"action": "export", "_selected_action": AuditEntry.objects.get().pk}
        answer = operator.post("/admin/accounts/auditentry/", body)
        lines = b"".join(answer).decode().splitlines()
        assert lines[0] == "at,by,ip,account,action,target,detail"
        assert lines[1].split(",", 1)[1] == (
            'alice@example.com,2001:db8::7,alice@example.com,key.make,"\'=HYPERLINK(""x"")",until: now'
        )

    def test_what_customers_wrote_is_text(self, operator: Client) -> None:
        auditlog.note("key.make", "<script>alert(1)</script>", None, None, name="<script>alert(2)</script>")
        for page in ("", f"{AuditEntry.objects.get().pk}/change/"):
            text = operator.get(f"/admin/accounts/auditentry/{page}").content.decode()
            assert "&lt;script&gt;alert(2)" in text
            assert "<script>alert(" not in text


class TestInvitations:
    def invite(self, client: Client, email: str) -> int:
        path = reverse("admin:accounts_invitation_invite")
        return client.post(path, {"_form_submitted": "True", "email": email}).status_code

    def test_it_works(self, operator: Client, admin_user: User) -> None:
        assert self.invite(operator, "Bob@example.com") == 200
        one = Invitation.objects.get()
        assert (one.email, one.account, one.invited_by) == ("bob@example.com", None, admin_user)
        assert Letter.objects.get().to == "bob@example.com"
        assert act(operator, "invitation", "revoke", one.pk) == 302
        assert not Invitation.objects.exists()

    @pytest.mark.parametrize("email", ["", "nobody", "alice@example.com"])
    def test_it_rejects_who_cannot_be_invited(self, operator: Client, email: str) -> None:
        account_of("alice@example.com")
        assert self.invite(operator, email) == 200
        assert not Invitation.objects.exists()


class TestStaff:
    """Who may only look, and who may change some things."""

    @pytest.fixture
    def staff(self, db: None, settings: Settings) -> User:
        settings.EGGAPI_EMBEDDED = True  # else they need a second factor
        return User.objects.create_user("staff@example.com", is_staff=True)

    def client(self, staff: User, *permissions: str) -> Client:
        staff.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(staff)
        return client

    def test_who_only_looks_does_nothing(self, staff: User, key: tuple[ApiKey, str]) -> None:
        alerts.report([alerts.Raised("storage", "away")])
        client = self.client(staff, "view_account", "view_alert", "view_apikey")
        for action in ("suspend", "revoke_all"):
            act(client, "account", action, key[0].account_id)
        act(client, "apikey", "revoke", key[0].pk)
        client.post("/admin/eggapi/alert/", {"action": "end", "_selected_action": Alert.objects.get().pk})
        found = keys.find(key[1])
        assert (found and found.suspended, Alert.objects.get().ended_at) == (False, None)

    def test_nobody_makes_themselves_more_powerful(self, staff: User) -> None:
        client = self.client(staff, "view_user", "change_user")
        path = f"/admin/accounts/user/{staff.pk}/change/"
        body = {"email": "boss@example.com", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
        assert client.post(path, body).status_code == 302
        staff.refresh_from_db()
        assert (staff.email, staff.is_superuser) == ("boss@example.com", False)

    def test_nobody_takes_over_who_may_do_everything(self, staff: User, operator: Client) -> None:
        boss = User.objects.get(email="operator@example.com")
        client = self.client(staff, "view_user", "change_user", "delete_user")
        passwords = {"password1": "a new and long one", "password2": "a new and long one"}
        assert client.post(f"/admin/accounts/user/{boss.pk}/password/", passwords).status_code == 403
        assert client.post(f"/admin/accounts/user/{boss.pk}/change/", {"email": "x@example.com"}).status_code == 403
        assert client.post(f"/admin/accounts/user/{boss.pk}/delete/", {"post": "yes"}).status_code == 403
        assert User.objects.get(pk=boss.pk).password == boss.password
