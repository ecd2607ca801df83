"""/keys: the list, one key, and what its buttons do."""

from datetime import timedelta
from typing import Any

import pytest

from accounts import keyring, keys
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, AuditEntry
from billing.budgets import period_start
from billing.models import Budget, DailyUsage
from eggapi import clock
from tests.member import SCRIPT, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(on_sale: None) -> Person:
    return Person("alice@example.com")


def make(account: Account, name: str = "server", mode: str = "test", **terms: Any) -> ApiKey:
    key, _ = keyring.make(account, mode, NewKey(name, **terms))
    return key


def spend(key: ApiKey, cost: int, requests: int, days_ago: int = 0) -> None:
    DailyUsage.objects.create(
        account=key.account, mode=key.mode, key=key.pk, model="nanobanana", type="image-generate",
        day=(clock.now() - timedelta(days=days_ago)).date(), units=requests, cost=cost, requests=requests,
    )  # fmt: skip


class TestList:
    def test_it_works(self, alice: Person) -> None:
        key = make(alice.account, scopes=("generate",), models=("nanobanana",), budget=4_000_000)
        start = period_start("", clock.now())
        Budget.objects.create(
            account=alice.account, mode="test", key=key.pk, period_start=start, limit=1, used=1_000_000
        )
        spend(key, 32_000, 3)
        spend(key, 10_000, 1, days_ago=29)
        page = alice.read("/keys")
        for said in (key.display, "usable", "generate", "nanobanana", "$0.0420", "$1.0000 of $4.0000", "25 % in all"):
            assert said in page
        assert f'<a href="/tasks?key={key.pk}" aria-label="4 tasks of server">4</a>' in alice.source("/keys")

    def test_it_leaves_out_what_is_older_than_30_days_or_of_another_mode(self, alice: Person) -> None:
        key, live = make(alice.account), make(alice.account, "live one", mode="live")
        spend(key, 5_000_000, 7, days_ago=30)
        spend(live, 5_000_000, 7)
        page = alice.read("/keys")
        assert "$5.0000" not in page
        assert "live one" not in page

    def test_it_says_how_a_key_is_used(self, alice: Person) -> None:
        now = clock.now()
        for name, days in [("busy", 1), ("resting", 10), ("forgotten", 31)]:
            key = make(alice.account, name)
            used = now - timedelta(days=days)
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=used, created_at=now - timedelta(days=90))
        make(alice.account, "young")
        rows = alice.http.get("/keys").context["rows"]
        assert {row.key.name: row.use for row in rows} == {
            "busy": "active", "resting": "idle", "forgotten": "unused", "young": "new"
        }  # fmt: skip
        assert alice.read("/keys").count("consider revoking") == 1

    def test_it_hides_keys_that_are_gone_until_asked(self, alice: Person) -> None:
        gone, late = make(alice.account, "gone"), make(alice.account, "late")
        gone.revoke()
        ApiKey.objects.filter(pk=late.pk).update(expires_at=clock.now())
        make(alice.account, "here")
        assert [row.key.name for row in alice.http.get("/keys").context["rows"]] == ["here"]
        everything = alice.http.get("/keys?show=all").context["rows"]
        assert {row.key.name: row.state for row in everything} == {
            "here": "usable", "late": "expired", "gone": "revoked"
        }  # fmt: skip

    def test_it_teaches_where_there_is_none(self, alice: Person) -> None:
        assert "Create your first key" in alice.read("/keys")
        assert "/v1/generate" in alice.read("/keys")

    def test_a_stranger_sees_none_of_it(self, alice: Person) -> None:
        make(alice.account, "secret project")
        assert "secret project" not in Person("bob@example.com").read("/keys?show=all")

    def test_names_are_text(self, alice: Person) -> None:
        key = make(alice.account, SCRIPT)
        for path in ("/keys", f"/keys/{key.pk}", f"/keys/{key.pk}/edit"):
            assert SCRIPT not in alice.source(path)
            assert SCRIPT in alice.read(path)

    def test_it_asks_the_same_number_of_queries_for_many(self, alice: Person) -> None:
        make(alice.account, budget=1_000_000)
        few = alice.queries("/keys")
        for n in range(20):
            spend(make(alice.account, f"key {n}", budget=1_000_000, budget_period="day"), 1000, 1)
        assert alice.queries("/keys") == few


class TestNew:
    def test_it_works(self, alice: Person) -> None:
        reply = alice.http.post("/keys/new", {"name": "laptop"})
        key = ApiKey.objects.get(account=alice.account)
        assert (reply.status_code, reply["Location"]) == (302, f"/keys/{key.pk}/made")
        assert (key.name, key.mode, key.scopes, key.expires_at) == ("laptop", "test", [], None)

    def test_it_takes_every_term(self, alice: Person) -> None:
        alice.send("/keys/new", {
            "name": "laptop", "scopes": ["generate", "tasks:read"], "models": ["nanobanana"],
            "cidrs": "10.0.0.0/8\r\n2001:db8::/32", "expires": "30d", "rate": "20/minute", "concurrency": "3",
            "budget": "$5", "budget_period": "month",
        })  # fmt: skip
        key = ApiKey.objects.get(account=alice.account)
        assert (key.scopes, key.allowed_models) == (["generate", "tasks:read"], ["nanobanana"])
        assert key.cidrs == ["10.0.0.0/8", "2001:db8::/32"]
        assert (key.rate, key.rate_seconds, key.concurrency) == (20, 60, 3)
        assert (key.budget, key.budget_period) == (5_000_000, "month")
        assert key.expires_at == pytest.approx(clock.now() + timedelta(days=30), abs=timedelta(seconds=30))

    def test_it_makes_a_key_of_the_chosen_mode(self, on_sale: None) -> None:
        carol = Person("carol@example.com", mode="live")
        carol.send("/keys/new", {"name": "laptop"})
        assert ApiKey.objects.get(account=carol.account).mode == "live"

    def test_the_key_is_shown_once_and_kept_nowhere(self, alice: Person) -> None:
        reply = alice.http.post("/keys/new", {"name": "laptop"})
        stored = " ".join(map(str, alice.http.session.values()))
        made = alice.http.get(reply["Location"])
        text = made.context["text"]
        assert keys.find(text)
        assert made.content.decode().count(text) == 4  # the key and its button, the curl and its button
        assert "no-store" in made["Cache-Control"]
        assert text not in stored + reply["Location"] + str(reply.cookies) + str(made.cookies)
        again = alice.http.get(reply["Location"], follow=True)
        assert text not in again.content.decode()
        assert again.redirect_chain == [(f"/keys/{made.context['key'].pk}", 302)]

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("name", "", "This field is required."),
            ("name", "a\tb", "must be printable"),
            ("cidrs", "10.0.0.1/8", "must be networks"),
            ("rate", "often", "must be a number of calls in a time"),
            ("concurrency", "0", "greater than or equal to 1"),
            ("budget", "abc", "must be dollars"),
            ("budget", "-1", "must be from $0.000001"),
            ("budget_period", "day", "is of no use without a budget"),
            ("budget_period", "year", "not one of the available choices"),
            ("scopes", "admin", "not one of the available choices"),
            ("models", "unknown", "not one of the available choices"),
            ("expires", "yesterday", "not one of the available choices"),
            ("name", "a\0b", "Null characters are not allowed."),
        ],
    )
    def test_it_rejects(self, alice: Person, field: str, value: str, said: str) -> None:
        assert said in alice.refused("/keys/new", {"name": "laptop", field: value})
        assert not ApiKey.objects.exists()


class TestDetail:
    def test_it_works(self, alice: Person) -> None:
        key = make(alice.account, rate=(20, 60), concurrency=2, cidrs=("10.0.0.0/8",), budget=1_000_000)
        spend(key, 32_000, 3)
        page = alice.read(f"/keys/{key.pk}")
        for said in ("20/minute", "0 of 2", "10.0.0.0/8", "$0.00 of $1.0000", "$0.0320", "key.make", "/v1/keys/report"):
            assert said in page

    def test_it_shows_what_was_done_with_this_key_alone(self, alice: Person) -> None:
        key, other = make(alice.account, "first"), make(alice.account, "second")
        keyring.change(key, NewKey("renamed"), alice.user)
        keyring.disable(other, alice.user)
        entries = alice.http.get(f"/keys/{key.pk}").context["entries"]
        assert [(line.who, line.action, line.more) for line in entries] == [
            ("alice@example.com", "key.change", "changed: name; name: renamed"), ("", "key.make", "")
        ]  # fmt: skip

    def test_it_shows_the_last_20(self, alice: Person) -> None:
        key = make(alice.account)
        for _ in range(12):
            keyring.disable(key)
            keyring.enable(key)
        assert len(alice.http.get(f"/keys/{key.pk}").context["entries"]) == 20


class TestChange:
    def test_it_works(self, alice: Person) -> None:
        key = make(alice.account, scopes=("generate",), rate=(1, 1), budget=1_000_000, expires=timedelta(days=3))
        alice.send(f"/keys/{key.pk}/edit", {"name": "renamed", "budget": "2.50", "budget_period": "week"})
        after = ApiKey.objects.get(pk=key.pk)
        assert (after.name, after.scopes, after.rate) == ("renamed", [], None)
        assert (after.budget, after.budget_period, after.expires_at) == (2_500_000, "week", key.expires_at)
        entry = AuditEntry.objects.get(action="key.change")
        assert (entry.actor, entry.target) == (alice.user, str(key))
        assert entry.detail["changed"] == ["name", "scopes", "rate", "rate_seconds", "budget", "budget_period"]

    def test_saving_it_as_it_is_changes_nothing(self, alice: Person) -> None:
        key = make(
            alice.account, scopes=("generate",), models=("gone",), cidrs=("10.0.0.0/8",), rate=(3, 3600),
            concurrency=2, budget=10, budget_period="day",
        )  # fmt: skip
        form = alice.http.get(f"/keys/{key.pk}/edit").context["form"]
        alice.send(f"/keys/{key.pk}/edit", {name: form[name].value() or "" for name in form.fields})
        assert not AuditEntry.objects.filter(action="key.change").exists()

    def test_it_rejects_a_revoked_key(self, alice: Person) -> None:
        key = make(alice.account)
        key.revoke()
        assert alice.status(f"/keys/{key.pk}/edit", {"name": "renamed"}) == 404
        assert ApiKey.objects.get(pk=key.pk).name == "server"


class TestDeeds:
    @pytest.mark.parametrize(("overlap", "left"), [("now", 0), ("1h", 1), ("24h", 24), ("7d", 168)])
    def test_it_rolls(self, alice: Person, overlap: str, left: int) -> None:
        key = make(alice.account, rate=(20, 60))
        reply = alice.http.post(f"/keys/{key.pk}/roll", {"overlap": overlap})
        old, new = ApiKey.objects.order_by("pk")
        assert reply["Location"] == f"/keys/{new.pk}/made"
        assert keys.find(alice.http.get(reply["Location"]).context["text"])
        assert (new.name, new.rate) == ("server", 20)
        ends = old.revoked_at or old.expires_at
        assert ends == pytest.approx(clock.now() + timedelta(hours=left), abs=timedelta(seconds=30))

    def test_it_rejects_an_overlap_that_is_none(self, alice: Person) -> None:
        key = make(alice.account)
        assert "Choose when the old key" in alice.send(f"/keys/{key.pk}/roll", {"overlap": "1y"})
        assert ApiKey.objects.count() == 1

    def test_it_rejects_to_roll_a_disabled_key(self, alice: Person) -> None:
        key = make(alice.account)
        keyring.disable(key)
        assert "Only a usable key can be rolled." in alice.send(f"/keys/{key.pk}/roll", {"overlap": "now"})

    def test_it_disables_and_enables(self, alice: Person) -> None:
        key = make(alice.account)
        assert "server is disabled." in alice.send(f"/keys/{key.pk}/disable")
        assert ApiKey.objects.get().disabled_at
        assert "server works again." in alice.send(f"/keys/{key.pk}/enable")
        assert ApiKey.objects.get().disabled_at is None

    def test_its_tasks_are_those_of_its_mode(self, alice: Person) -> None:
        key = make(alice.account, mode="live")
        page = alice.source(f"/keys/{key.pk}")
        assert "Its tasks, in live mode" in page
        assert f'name="next" value="/tasks?key={key.pk}"' in page
        alice.http.post("/mode", {"mode": "live"})
        assert f'href="/tasks?key={key.pk}"' in alice.source(f"/keys/{key.pk}")

    def test_it_revokes_by_its_name_alone(self, alice: Person) -> None:
        key = make(alice.account)
        assert "Nothing was revoked" in alice.send(f"/keys/{key.pk}/revoke", {"name": "Server"})
        assert ApiKey.objects.get().revoked_at is None
        assert "server is revoked." in alice.send(f"/keys/{key.pk}/revoke", {"name": "server"})
        assert ApiKey.objects.get().revoked_at

    def test_it_revokes_all_of_the_account(self, alice: Person) -> None:
        make(alice.account), make(alice.account, mode="live")
        strange = make(Person("bob@example.com").account)
        assert "Nothing was revoked" in alice.send("/keys/revoke-all", {"sure": "yes"})
        assert "2 keys are revoked" in alice.send("/keys/revoke-all", {"sure": "Revoke all"})
        assert list(ApiKey.objects.filter(revoked_at=None)) == [strange]


DEEDS = [
    ("edit", {"name": "stolen"}),
    ("roll", {"overlap": "now"}),
    ("disable", {}),
    ("enable", {}),
    ("revoke", {"name": "server"}),
]


def assert_untouched(key: ApiKey) -> None:
    after = ApiKey.objects.get()
    assert (after.name, after.revoked_at, after.disabled_at, after.expires_at) == (key.name, None, None, None)


def test_a_stranger_cannot(alice: Person) -> None:
    key, bob = make(alice.account), Person("bob@example.com")
    assert [bob.status(f"/keys/{key.pk}{page}") for page in ("", "/made", "/edit")] == [404] * 3
    assert [bob.status(f"/keys/{key.pk}/{deed}", fields) for deed, fields in DEEDS] == [404] * 5
    assert_untouched(key)


@pytest.mark.parametrize("role", ["reader", "billing"])
def test_a_role_that_may_not_sees_and_cannot_change(alice: Person, role: str) -> None:
    key, member = make(alice.account), Person("bob@example.com", alice.account, role)
    assert key.display in member.read("/keys")
    assert key.display in member.read(f"/keys/{key.pk}")
    assert "Revoke" not in member.source(f"/keys/{key.pk}") + member.source("/keys")
    assert [member.status(f"/keys/{key.pk}/{deed}", fields) for deed, fields in DEEDS] == [403] * 5
    assert member.status("/keys/new", {"name": "mine"}) == 403
    assert member.status("/keys/revoke-all", {"sure": "revoke all"}) == 403
    assert_untouched(key)


def test_nobody_comes_in_without_signing_in(alice: Person) -> None:
    key = make(alice.account)
    alice.http.logout()
    for path in ("/keys", "/keys/new", f"/keys/{key.pk}", f"/keys/{key.pk}/edit"):
        assert alice.http.get(path)["Location"] == f"/accounts/login/?next={path}"
