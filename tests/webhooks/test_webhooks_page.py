"""/webhooks: who receives them, what came of each, and what can be done about it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, AuditEntry, Membership, User
from accounts.opening import account_of
from eggapi import clock
from eggapi.ratelimit import Limit
from tests.webhooks.desk import EVIL, HOOK, HOST, ROLES, deliver, fail, listed, page, renewal_of, signed_in
from webhooks import receivers
from webhooks import views as pages
from webhooks.models import Delivery, Event, Origin

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(db: None) -> Account:
    return account_of("alice@example.com")


@pytest.fixture
def client(alice: Account) -> Client:
    return signed_in(alice.members.get())


class TestReceivers:
    def test_it_works(self, client: Client, alice: Account) -> None:
        deliver(alice)
        deliver(alice, url="https://ok.example:8443/hook")
        fail(alice)
        rows = re.findall(
            r'<a class="one-line mono" href="([^"]*)">([^<]*)</a>.*?<span class="state \w+">(\w+)<', page(client), re.S
        )
        assert rows == [
            ("/webhooks?host=example.com%3A443", HOST, "disabled"),
            ("/webhooks?host=ok.example%3A8443", "ok.example:8443", "healthy"),
        ]

    @pytest.mark.parametrize(("state", "shown"), [("delivered", "healthy"), ("due", "new"), ("failed", "failing")])
    def test_one_that_has_no_origin(self, client: Client, alice: Account, state: str, shown: str) -> None:
        deliver(alice, state)
        assert receivers.of(alice.pk, "test", clock.now())[0].state == shown

    def test_what_only_fails_is_failing(self, client: Client, alice: Account) -> None:
        fail(alice, disabled=False)
        text = page(client)
        assert ('<span class="state warn">failing</span>' in text, "webhooks/enable" in text) == (True, False)

    def test_one_click_enables(self, client: Client, alice: Account) -> None:
        fail(alice)
        text = client.post("/webhooks/enable", {"host": HOST}, follow=True).content.decode()
        assert f"{HOST} is enabled." in text
        assert not Origin.objects.exists()

    @pytest.mark.parametrize("host", ["", "other.example:443", "a\0b", EVIL])
    def test_it_rejects_what_is_not_disabled(self, client: Client, alice: Account, host: str) -> None:
        fail(alice)
        assert "is disabled." in client.post("/webhooks/enable", {"host": host}, follow=True).content.decode()
        assert Origin.objects.count() == 1


class TestList:
    def test_it_works(self, client: Client, alice: Account) -> None:
        one = deliver(alice)
        text = page(client)
        assert listed(text) == [one.event_id]
        assert f'href="/tasks/{one.event.task_id}"' in text
        assert [cell for cell in ("1/10", ">200<", "71 ms", HOST) if cell not in text] == []
        assert "hx-trigger" not in text

    def test_without_any_it_teaches(self, client: Client) -> None:
        text = page(client)
        said = ("A delivery is one webhook", "webhook_url", "http://testserver/v1/generate")
        assert [each for each in said if each not in text] == []

    def test_it_filters(self, client: Client, alice: Account) -> None:
        good, bad = deliver(alice), deliver(alice, "failed", "https://bad.example/", 503)
        silent = deliver(alice, "due", status=None)
        today = clock.now().date()
        for query, found in [
            ("state=failed", [bad]), ("state=stopped", []), ("state=due", [silent]),
            ("answer=2", [good]), ("answer=5", [bad]), ("answer=3", []), ("answer=none", [silent]),
            ("type=task.completed", [silent, bad, good]), ("type=webhook.test", []),
            ("host=bad.example:443", [bad]), (f"q={good.event.task_id}", [good]), (f"q={bad.event_id}", [bad]),
            (f"since={today}&until={today}", [silent, bad, good]), ("until=0001-01-01", []),
            ("state=failed&answer=2", []),
        ]:  # fmt: skip
            assert listed(page(client, f"?{query}")) == [one.event_id for one in found], query

    @pytest.mark.parametrize("query", ["state=lost", "answer=9", "type=%00", "host=%00", "q=1", "since=x", "until=9"])
    def test_nonsense_is_named_and_ignored(self, client: Client, alice: Account, query: str) -> None:
        deliver(alice)
        text = page(client, f"?{query}")
        assert (len(listed(text)), "Ignored:" in text) == (1, True)

    def test_rows_renew_themselves_while_something_is_under_way(self, client: Client, alice: Account) -> None:
        one = deliver(alice, "due")
        address = renewal_of(page(client, "?state=due"))
        assert address.startswith("/webhooks?state=due&seen=")
        assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
        Delivery.objects.update(attempts=7)
        assert "7/10" in client.get(address, headers={"HX-Request": "true"}).content.decode()
        partial = page(client, "?state=due", **HTMX)
        assert (listed(partial), "<html" in partial) == ([one.event_id], False)
        Delivery.objects.update(next_run_at=clock.now() + timedelta(hours=2))
        assert "hx-get" not in page(client, "", **HTMX)

    def test_its_queries_do_not_grow(self, client: Client, alice: Account, django_assert_num_queries: Any) -> None:
        deliver(alice)
        page(client)
        with CaptureQueriesContext(connection) as few:
            page(client)
        for n in range(50):
            deliver(alice, url=f"https://r{n}.example/")
        with django_assert_num_queries(len(few)):
            assert len(listed(page(client))) == 25


class TestAgain:
    def test_recovering(self, client: Client, alice: Account) -> None:
        deliver(alice, "failed"), deliver(alice, "failed"), deliver(alice, "stopped")
        since = f"{clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}"
        text = client.post("/webhooks/recover", {"since": since}, follow=True).content.decode()
        assert "2 deliveries are due again." in text
        assert (
            "nothing to send again" in client.post("/webhooks/recover", {"since": since}, follow=True).content.decode()
        )

    @pytest.mark.parametrize("since", ["", "yesterday", "2026-02-30T00:00", "0001-01-01T00:00+14:00", "a\0"])
    def test_recovering_needs_a_time(self, client: Client, alice: Account, since: str) -> None:
        deliver(alice, "failed")
        response = client.post("/webhooks/recover", {"since": since})
        assert (response.status_code, list(response.context["recover_form"].errors)) == (400, ["since"])
        assert Delivery.objects.get().state == "failed"

    def test_replaying(self, client: Client, alice: Account) -> None:
        deliver(alice, "stopped")
        response = client.post("/webhooks/replay", follow=True)
        assert "1 delivery is due again." in response.content.decode()
        assert response.redirect_chain == [("/webhooks#deliveries", 302)]


class TestTest:
    def test_it_works(self, client: Client, alice: Account) -> None:
        text = client.post("/webhooks/test", {"url": HOOK}, follow=True).content.decode()
        one = Delivery.objects.get()
        assert (one.event.type, one.account, one.mode, one.granted) == ("webhook.test", alice, "test", 1)
        assert (listed(text), 'hx-trigger="every 2s"' in text) == ([one.event_id], True)

    @pytest.mark.parametrize(
        ("url", "pair"),
        [
            ("http://localhost:9000/hook", "localhost:9000"),
            ("https://127.0.0.1:8443/", "127.0.0.1:8443"),
            ("http://[::1]:9000/", "[::1]:9000"),
            ("http://example.com/", ""),
            ("https://ann:secret@localhost/", ""),
            ("javascript:alert(1)", ""),
            ("", ""),
            ("https://a\0b/", ""),
            ("https://example.com/" + "x" * 2048, ""),
        ],
    )
    def test_it_rejects_and_says_how_to_admit(self, client: Client, url: str, pair: str) -> None:
        response = client.post("/webhooks/test", {"url": url})
        text = response.content.decode()
        assert (response.status_code, list(response.context["test_form"].errors)) == (400, ["url"])
        assert re.findall(r"EGGAPI_PRIVATE_HOSTS_ALLOWED=([^\s<]+)", text)[:1] == ([pair] if pair else [])
        assert not Event.objects.exists()

    def test_there_are_so_many_a_minute(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pages, "TESTS", Limit(2, 3600, name="webhook-test"))
        texts = [client.post("/webhooks/test", {"url": HOOK}, follow=True).content.decode() for _ in range(3)]
        assert ["Too many requests" in text for text in texts] == [False, False, True]


class TestSecret:
    def test_it_is_revealed_once_a_click(self, client: Client, alice: Account) -> None:
        secret = alice.webhook_secrets.get().plain
        text = page(client)
        assert (secret in text, f"{secret[:10]}••••" in text) == (False, True)
        response = client.post("/webhooks/secret/reveal", follow=True)
        assert secret in response.content.decode()
        assert "no-store" in response.headers["Cache-Control"]
        assert secret not in page(client)
        assert AuditEntry.objects.get(action="webhook_secret.reveal").actor == alice.members.get()

    def test_both_are_shown_until_when(self, client: Client, alice: Account) -> None:
        old = alice.webhook_secrets.get()
        text = client.post("/webhooks/secret/rotate", {"overlap": "24h"}, follow=True).content.decode()
        old.refresh_from_db()
        new = alice.webhook_secrets.get(expires_at=None)
        assert old.expires_at
        assert (new.plain in text, old.plain in text, f"{old.expires_at:%Y-%m-%d %H:%M:%S} UTC" in text) == (
            True, False, True,
        )  # fmt: skip
        text = client.post("/webhooks/secret/reveal", follow=True).content.decode()
        assert text.index(new.plain) < text.index(old.plain)

    @pytest.mark.parametrize("overlap", ["", "1y", EVIL])
    def test_it_rejects_another_overlap(self, client: Client, alice: Account, overlap: str) -> None:
        response = client.post("/webhooks/secret/rotate", {"overlap": overlap})
        assert (response.status_code, list(response.context["rotate_form"].errors)) == (400, ["overlap"])
        assert alice.webhook_secrets.count() == 1


# -- who may what ------------------------------------------------------------------------------------

POSTS = ["test", "recover", "replay", "enable", "secret/reveal", "secret/rotate"]
SENT = {"url": HOOK, "since": "2020-01-01T00:00", "host": HOST, "overlap": "now"}


def test_a_stranger_sees_and_does_nothing(alice: Account) -> None:
    one, secret = deliver(alice, "failed"), alice.webhook_secrets.get().plain
    fail(alice)
    bob = signed_in(account_of("bob@example.com").members.get())
    text = page(bob)
    assert (listed(text), HOST in text.replace('placeholder="example.com:443"', ""), secret[:10] in text) == (
        [], False, False,
    )  # fmt: skip
    assert bob.get(f"/webhooks/{one.event_id}").status_code == 404
    assert bob.post(f"/webhooks/{one.event_id}/resend").status_code == 404
    for path in set(POSTS) - {"test"}:
        bob.post(f"/webhooks/{path}", SENT)
    one.refresh_from_db()
    assert (one.state, Origin.objects.filter(disabled_at__isnull=False).count()) == ("failed", 1)
    assert alice.webhook_secrets.get().plain == secret


def test_the_other_mode_is_another_list(client: Client, alice: Account) -> None:
    one = deliver(alice)
    client.post("/mode", {"mode": "live"})
    assert listed(page(client)) == []
    assert "This is a webhook of test mode" in page(client, f"/{one.event_id}")


@pytest.mark.parametrize("role", [ROLES.BILLING, ROLES.READER])
def test_others_look_and_do_nothing(alice: Account, role: str) -> None:
    one, person = deliver(alice, "failed"), User.objects.create_user("carol@example.com")
    fail(alice)
    Membership.objects.create(account=alice, user=person, role=role)
    carol, secret = signed_in(person), alice.webhook_secrets.get().plain
    for path in ("", f"/{one.event_id}"):
        assert re.findall(r'<form method="post" action="/webhooks', page(carol, path)) == []
    paths = [*POSTS, f"{one.event_id}/resend"]
    assert [carol.post(f"/webhooks/{path}", SENT).status_code for path in paths] == [403] * 7
    one.refresh_from_db()
    assert (one.state, Origin.objects.count(), Event.objects.count()) == ("failed", 1, 1)
    assert alice.webhook_secrets.get().plain == secret


@pytest.mark.parametrize("path", [*POSTS, f"msg_{'0' * 24}/resend"])
def test_what_changes_anything_is_a_post_of_our_own_page(client: Client, alice: Account, path: str) -> None:
    deliver(alice, "failed")
    assert client.get(f"/webhooks/{path}", SENT).status_code in (302, 405)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice.members.get())
    assert strict.post(f"/webhooks/{path}", SENT).status_code == 403
    assert (Delivery.objects.get().state, alice.webhook_secrets.count()) == ("failed", 1)


def test_nobody_sees_it_without_signing_in() -> None:
    assert Client().get("/webhooks")["Location"] == "/accounts/login/?next=/webhooks"


def test_every_snippet_is_on_the_page(client: Client) -> None:
    text = page(client)
    assert [title for title in ("Python", "JavaScript", "Go") if f'data-title="{title}"' not in text] == []
