"""What operators see and do."""

import pytest
from django.test import Client

from accounts import keys
from accounts.models import Account, ApiKey, Mode, User
from accounts.opening import account_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    client = Client()
    user = User.objects.create_superuser("operator@example.com", "correct horse battery")
    client.force_login(user)
    return client


@pytest.fixture
def key() -> tuple[ApiKey, str]:
    return keys.mint(account_of("alice@example.com"), Mode.LIVE, "server")


def act(client: Client, model: str, action: str, row: int) -> int:
    body = {"action": action, "_selected_action": row}
    return int(client.post(f"/admin/accounts/{model}/", body).status_code)


def test_every_page_opens(operator: Client, key: tuple[ApiKey, str]) -> None:
    user, account = User.objects.get(email="alice@example.com"), Account.objects.get()
    for path in [
        "user/",
        "user/add/",
        f"user/{user.pk}/change/",
        f"user/{user.pk}/password/",
        "account/",
        f"account/{account.pk}/change/",
        "apikey/",
        f"apikey/{key[0].pk}/change/",
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
