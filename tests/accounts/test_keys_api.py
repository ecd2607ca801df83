"""/v1/keys: for people signed in to the dashboard, and for whoever finds a key."""

import json
import logging
from typing import Any

import pytest
from django.test import Client

from accounts import keyring, keys
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, AuditEntry, Mode
from accounts.opening import account_of
from eggapi.models import Letter
from eggapi.requestlog import JSONFormatter
from tests.customer import Answer

pytestmark = pytest.mark.django_db
TOKEN = "a" * 32


class Person:
    """Somebody at the dashboard."""

    def __init__(self, email: str) -> None:
        self.account: Account = account_of(email)
        self.user = self.account.members.get()
        self.http = Client(enforce_csrf_checks=True)
        self.http.force_login(self.user)
        self.http.cookies["csrftoken"] = TOKEN

    def get(self, path: str = "/v1/keys") -> Answer:
        return Answer(self.http.get(path))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        content = json.dumps(body or {})
        sent = {"X-CSRFToken": TOKEN} | headers
        return Answer(self.http.generic("POST", path, content, "application/json", headers=sent))

    def make(self, **terms: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.post("/v1/keys", {"name": "server"} | terms).data
        return made


@pytest.fixture
def alice() -> Person:
    return Person("alice@example.com")


@pytest.fixture
def bob() -> Person:
    return Person("bob@example.com")


def report(client: Client, key: Any, **meta: Any) -> Answer:
    return Answer(client.generic("POST", "/v1/keys/report", json.dumps({"key": key}), "application/json", **meta))


class TestMake:
    def test_it_works(self, alice: Person) -> None:
        terms = {
            "name": "server",
            "scopes": ["generate", "generate"],
            "models": ["nanobanana"],
            "cidrs": ["10.0.0.0/8", "192.0.2.7"],
            "rate": "20/minute",
            "concurrency": 10,
            "budget": 5.25,
            "budget_period": "week",
            "expires": "90d",
        }
        answer = alice.post("/v1/keys", terms)
        assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
        made = answer.data
        text = made.pop("key")
        found = keys.find(text)
        assert found is not None
        assert (found.account_id, found.mode) == (alice.account.pk, "test")
        assert made == {
            "id": found.id,
            "name": "server",
            "display": f"egg_test_...{text[-4:]}",
            "mode": "test",
            "state": "usable",
            "scopes": ["generate"],
            "models": ["nanobanana"],
            "cidrs": ["10.0.0.0/8", "192.0.2.7/32"],
            "rate": "20/minute",
            "concurrency": 10,
            "budget": "$5.2500",
            "budget_period": "week",
            "created_at": made["created_at"],
            "last_used_at": None,
            "expires_at": made["expires_at"],
        }
        assert AuditEntry.objects.get().actor == alice.user

    def test_a_name_is_enough(self, alice: Person) -> None:
        made = alice.make(scopes=None)
        limits = ("scopes", "models", "cidrs", "rate", "concurrency", "budget", "budget_period", "expires_at")
        assert [made[name] for name in limits] == [[], [], [], None, None, None, None, None]

    def test_it_is_of_the_chosen_mode(self, alice: Person) -> None:
        session = alice.http.session
        session["mode"] = "live"
        session.save()
        assert alice.make()["key"].startswith("egg_live_")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("name", None), ("name", ""), ("name", "x" * 101), ("name", 7), ("name", "a\nb"), ("name", "a\0b"),
            ("name", "\ud800"), ("scopes", "generate"), ("scopes", ["admin"]), ("scopes", [["generate"]]),
            ("models", [""]), ("models", [1]), ("models", {}), ("models", ["x"] * 101), ("cidrs", ["10.0.0.1/8"]),
            ("cidrs", ["x"]), ("cidrs", [167772160]), ("cidrs", [None]), ("rate", 20), ("rate", "20"),
            ("rate", "0/minute"), ("rate", "2000000/minute"), ("rate", "²/minute"), ("concurrency", "10"),
            ("concurrency", True), ("concurrency", 0), ("concurrency", 10**9), ("budget", True), ("budget", "much"),
            ("budget", 0), ("budget", "-1"), ("budget", "0.0000001"), ("budget", 1e300), ("budget", [5]),
            ("budget_period", "day"), ("budget_period", "year"), ("budget_period", ["day"]), ("expires", 24),
            ("expires", "24"), ("expires", "0h"), ("expires", "9999999d"),
        ],
    )  # fmt: skip
    def test_it_names_the_field_at_fault(self, alice: Person, name: str, value: Any) -> None:
        answer = alice.post("/v1/keys", {"name": "server", name: value})
        assert (answer.refusal, list(answer.error["fields"])) == ((400, "VALIDATION_ERROR"), [name])
        assert not ApiKey.objects.exists()

    def test_the_longest_life_is_no_crash(self, alice: Person) -> None:
        assert alice.make(expires="999999d")["expires_at"].startswith("4")


class TestList:
    def test_it_works(self, alice: Person, bob: Person) -> None:
        first, second = alice.make(name="first"), alice.make(name="second")
        bob.make()
        keyring.make(alice.account, Mode.LIVE, NewKey("of the other mode"))
        for made in (first, second):
            made.pop("key")
        assert alice.get().data == {
            "items": [second, first],
            "pagination": {"page": 1, "per_page": 20, "total": 2, "total_pages": 1},
        }
        assert alice.get("/v1/keys?page=2&per_page=1").data["items"] == [first]
        assert alice.get("/v1/keys?page=0").refusal == (400, "VALIDATION_ERROR")


class TestVerbs:
    def test_they_work(self, alice: Person) -> None:
        made = alice.make()
        for verb, state in [
            ("disable", "disabled"),
            ("enable", "usable"),
            ("revoke", "revoked"),
            ("enable", "revoked"),
        ]:
            answer = alice.post(f"/v1/keys/{made['id']}/{verb}")
            assert (answer.status, answer.data["state"], "key" in answer.data) == (200, state, False)
            assert (keys.find(made["key"]) is not None) == (state == "usable")
        entries = AuditEntry.objects.order_by("pk")
        assert [entry.action for entry in entries] == ["key.make", "key.disable", "key.enable", "key.revoke"]
        assert {entry.actor for entry in entries} == {alice.user}

    @pytest.mark.parametrize(("overlap", "state"), [("now", "revoked"), ("1h", "usable"), ("7d", "usable")])
    def test_a_key_is_rolled(self, alice: Person, overlap: str, state: str) -> None:
        old = alice.make(scopes=["generate"])
        answer = alice.post(f"/v1/keys/{old['id']}/roll", {"overlap": overlap})
        assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
        new = answer.data
        assert new["key"] != old["key"]
        assert (new["scopes"], new["name"], new["state"]) == (["generate"], "server", "usable")
        listed = {each["id"]: each["state"] for each in alice.get().data["items"]}
        assert listed == {new["id"]: "usable", old["id"]: state}

    @pytest.mark.parametrize("overlap", [None, "2h", 24, ["1h"], {}])
    def test_an_odd_overlap_is_named(self, alice: Person, overlap: Any) -> None:
        answer = alice.post(f"/v1/keys/{alice.make()['id']}/roll", {"overlap": overlap})
        assert (answer.refusal, list(answer.error["fields"])) == ((400, "VALIDATION_ERROR"), ["overlap"])
        assert ApiKey.objects.count() == 1

    def test_a_revoked_key_is_not_rolled(self, alice: Person) -> None:
        made = alice.make()
        alice.post(f"/v1/keys/{made['id']}/revoke")
        assert alice.post(f"/v1/keys/{made['id']}/roll", {"overlap": "1h"}).refusal == (400, "BAD_REQUEST")

    def test_all_are_revoked(self, alice: Person, bob: Person) -> None:
        texts = [alice.make()["key"], keyring.make(alice.account, Mode.LIVE, NewKey("live"))[1]]
        bobs = bob.make()["key"]
        assert alice.post("/v1/keys/revoke_all").data == {"revoked": 2}
        assert [keys.find(text) is None for text in (*texts, bobs)] == [True, True, False]

    @pytest.mark.parametrize("verb", ["roll", "disable", "enable", "revoke"])
    def test_a_strangers_key_does_not_exist(self, alice: Person, bob: Person, verb: str) -> None:
        made = bob.make()
        before = ApiKey.objects.values().get()
        for key_id in (made["id"], 0, 10**30):
            assert alice.post(f"/v1/keys/{key_id}/{verb}", {"overlap": "now"}).refusal == (404, "NOT_FOUND")
        assert ApiKey.objects.values().get() == before


PATHS = ["/v1/keys", "/v1/keys/revoke_all", *(f"/v1/keys/7/{verb}" for verb in ("roll", "disable", "enable", "revoke"))]


class TestDoor:
    @pytest.mark.parametrize("path", PATHS)
    def test_nothing_is_done_without_the_token(self, alice: Person, path: str) -> None:
        for token in ("", "b" * 32):
            assert alice.post(path, {"name": "x"}, **{"X-CSRFToken": token}).refusal == (403, "FORBIDDEN")
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("path", PATHS)
    def test_a_key_makes_and_changes_no_keys(self, alice: Person, path: str) -> None:
        key = alice.make()
        path = path.replace("7", str(key["id"]))
        answer = alice.post(path, {"name": "x"}, Authorization=f"Bearer {key['key']}")
        assert answer.refusal == (401, "UNAUTHORIZED")
        assert answer.error["message"] == "Sign in to the dashboard first"
        assert [each.state(each.created_at) for each in ApiKey.objects.all()] == ["usable"]

    def test_nobody_reads_without_signing_in(self, client: Client) -> None:
        assert Answer(client.get("/v1/keys")).refusal == (401, "UNAUTHORIZED")


class TestReport:
    def test_it_works(self, client: Client, alice: Person) -> None:
        text = alice.make()["key"]
        answer = report(client, text)
        assert (answer.status, answer.data) == (200, {"revoked": True})
        assert answer.headers["RateLimit-Policy"] == '"report";q=20;w=60'
        assert keys.find(text) is None
        assert report(client, text).data == {"revoked": False}
        assert [letter.to for letter in Letter.objects.all()] == ["alice@example.com"]

    @pytest.mark.parametrize("key", ["", "egg_live_", "x" * 10_000, "é\0", "egg_live_" + "0" * 36])
    def test_it_says_no_more_of_anything_else(self, client: Client, key: str) -> None:
        assert report(client, key).data == {"revoked": False}

    @pytest.mark.parametrize("key", [None, 7, ["x"], {}])
    def test_it_requires_a_text(self, client: Client, key: Any) -> None:
        answer = report(client, key)
        assert (answer.refusal, answer.error["fields"]) == ((400, "VALIDATION_ERROR"), {"key": "must be a string"})

    def test_it_is_counted_by_address(self, client: Client, alice: Person) -> None:
        assert [report(client, "x").status for _ in range(21)] == [200] * 20 + [429]
        text = alice.make()["key"]
        assert report(client, text).refusal == (429, "RATE_LIMITED")
        assert keys.find(text) is not None
        assert report(client, text, REMOTE_ADDR="192.0.2.1").data == {"revoked": True}


def test_no_log_holds_a_key(client: Client, alice: Person, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        made = alice.make()
        rolled = alice.post(f"/v1/keys/{made['id']}/roll", {"overlap": "1h"}).data
        client.get("/v1/balance", headers={"Authorization": f"Bearer {made['key']}"})
        client.get(f"/v1/balance?key={made['key']}")
        report(client, made["key"])
    lines = [JSONFormatter().format(record) for record in caplog.records]
    assert len(lines) >= 5
    for text in (made["key"], rolled["key"]):
        assert text not in "".join(lines) + str([vars(record) for record in caplog.records])
