"""Redeem codes: who has one gets what it is worth, once, and no code is worth more than it was made for."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from billing import redeem
from billing.audit import audit
from billing.models import LedgerEntry, RedeemBatch, RedeemCode, Redemption
from billing.redeem import Refused
from eggapi import clock
from eggapi.ratelimit import Limit
from tests.billing.till import open_account, wallet_of
from tests.customer import Answer, Customer, at_once

pytestmark = pytest.mark.django_db
FIVE = 5_000_000


def codes(count: int = 1, uses: int = 1, expires: timedelta | None = None) -> list[str]:
    return redeem.make("spring", FIVE, count, uses, expires)


def command(*words: str) -> list[str]:
    out = StringIO()
    call_command("redeem", *words, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def alice() -> Customer:
    alice = Customer()
    alice.sign_in()
    return alice


def post(customer: Customer, code: object) -> Answer:
    return customer.send("POST", "/v1/redeem", {"code": code}, Authorization="", X_CSRFToken=customer.csrf_token)


class TestRedeeming:
    def test_it_works(self, alice: Customer) -> None:
        (code,) = codes()
        answer = post(alice, code)
        assert (answer.status, answer.data) == (
            200,
            {"amount": "$5.0000", "balance": {"mode": "live", "available": "$5.0000", "held": "$0.00"}},
        )
        entry = LedgerEntry.objects.get(kind="redeem")
        assert (entry.amount, entry.counterpart, entry.wallet) == (FIVE, "promo", wallet_of(alice.account))
        assert entry.reason == f"code EGG-...{code[-4:]}"
        redemption = Redemption.objects.get()
        assert (redemption.account, redemption.entry, redemption.code.uses_left) == (alice.account, entry, 0)
        assert audit() == []

    def test_it_is_read_as_people_write_it(self, alice: Customer) -> None:
        ways: list[Callable[[str], str]] = [
            str.lower,
            lambda code: code.replace("-", ""),
            lambda code: f" {code.replace('-', ' ')} ",
            lambda code: code[4:],
            lambda code: code.replace("0", "O").replace("1", "l"),
        ]
        for code, write in zip(codes(5), ways, strict=True):
            assert post(alice, write(code)).status == 200

    def test_an_account_redeems_a_code_once(self, alice: Customer) -> None:
        (code,) = codes(uses=3)
        assert post(alice, code).status == 200
        assert post(alice, code).error["fields"] == {"code": "has been redeemed by this account before"}
        assert (wallet_of(alice.account).posted, RedeemCode.objects.get().uses_left) == (FIVE, 2)

    def test_a_code_is_used_up(self, alice: Customer) -> None:
        (code,) = codes()
        redeem.redeem(open_account("bob@example.com"), code)
        assert post(alice, code).error["fields"] == {"code": "has been used up"}
        assert wallet_of(alice.account).posted == 0

    def test_a_code_expires(self, alice: Customer) -> None:
        (code,) = codes(expires=timedelta(days=1))
        RedeemBatch.objects.update(expires_at=clock.now())
        assert post(alice, code).error["fields"] == {"code": "has expired"}

    @pytest.mark.parametrize("by", ["code", "name"])
    def test_a_code_is_revoked(self, alice: Customer, by: str) -> None:
        code, other = codes(2)
        assert redeem.revoke(code if by == "code" else "spring") == (1 if by == "code" else 2)
        assert post(alice, code).error["fields"] == {"code": "has been withdrawn"}
        assert post(alice, other).status == (200 if by == "code" else 400)

    @pytest.mark.parametrize("code", ["", "EGG-0000-0000-0000-0000", "EGG", "x" * 64, "\u0130" * 16, "'; --"])
    def test_nothing_else_is_a_code(self, alice: Customer, code: str) -> None:
        codes()
        assert post(alice, code).faults == ["code"]
        assert wallet_of(alice.account).posted == 0

    @pytest.mark.parametrize("code", [None, 5, True, ["a"], "x" * 65, "a\0", "\ud800"])
    def test_what_is_no_text_is_refused(self, alice: Customer, code: object) -> None:
        assert post(alice, code).faults == ["code"]

    def test_it_is_for_people(self, alice: Customer) -> None:
        (code,) = codes()
        assert alice.send("POST", "/v1/redeem", {"code": code}).refusal == (401, "UNAUTHORIZED")
        forged = alice.send("POST", "/v1/redeem", {"code": code}, Authorization="")
        assert forged.refusal == (403, "FORBIDDEN")
        assert wallet_of(alice.account).posted == 0

    def test_guessing_ends_soon(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Limit, "interval", property(lambda _: 3_600_000_000))  # nothing refills meanwhile
        (code,) = codes()
        guesses = Counter(post(alice, "EGG-0000-0000-0000-0000").status for _ in range(12))
        assert guesses == {400: 10, 429: 2}
        assert post(alice, code).refusal == (429, "RATE_LIMITED")

    def test_guessing_with_many_accounts_ends_too(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Limit, "interval", property(lambda _: 3_600_000_000))  # nothing refills meanwhile
        statuses: Counter[int] = Counter()
        for n in range(3):
            other = Customer(f"{n}@example.com")
            other.sign_in()
            statuses.update(post(other, "EGG-0000-0000-0000-0000").status for _ in range(8))
        assert statuses == {400: 20, 429: 4}
        assert post(alice, "EGG-0000-0000-0000-0000").refusal == (429, "RATE_LIMITED")


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_the_last_use_goes_to_one(self) -> None:
        accounts = [open_account(f"{n}@example.com") for n in range(20)]
        code, *_ = codes(uses=3)
        for account in accounts[:2]:
            redeem.redeem(account, code)

        def take(n: int) -> str:
            try:
                redeem.redeem(accounts[n], code)
            except Refused as refused:
                return str(refused)
            return "redeemed"

        assert Counter(at_once(20, take)) == {
            "redeemed": 1,
            "has been used up": 17,
            "has been redeemed by this account before": 2,
        }
        assert (RedeemCode.objects.get().uses_left, Redemption.objects.count()) == (0, 3)
        assert sum(wallet_of(account).posted for account in accounts) == 3 * FIVE
        assert audit() == []

    def test_an_account_that_asks_twice_at_once_gets_it_once(self) -> None:
        account = open_account()
        (code,) = codes(uses=20)

        def take(_: int) -> bool:
            try:
                redeem.redeem(account, code)
            except Refused:
                return False
            return True

        assert at_once(20, take).count(True) == 1
        assert (wallet_of(account).posted, RedeemCode.objects.get().uses_left) == (FIVE, 19)
        assert audit() == []


class TestCommand:
    def test_it_prints_the_codes_once_and_keeps_none(self) -> None:
        made = command("create", "--name", "fair", "--amount", "5.00", "--count", "10", "--uses", "2")
        assert len({*made}) == 10
        assert all(re.fullmatch("EGG(-[0-9A-HJKMNP-TV-Z]{4}){4}", code) for code in made)
        batch = RedeemBatch.objects.get()
        assert (batch.name, batch.amount, batch.uses, batch.expires_at) == ("fair", FIVE, 2, None)
        stored = [bytes(digest).hex() for digest in RedeemCode.objects.values_list("digest", flat=True)]
        assert not [code for code in made if code.replace("-", "")[3:].encode().hex() in "".join(stored)]
        assert command("list") == ["fair  usable  10 codes of $5.0000  redeemed 0 of 20 times"]

    def test_it_tells_how_batches_stand(self) -> None:
        (code,) = command("create", "--name", "a", "--amount", "1", "--count", "1", "--expires", "30d")
        command("create", "--name", "b", "--amount", "2", "--count", "2")
        redeem.redeem(open_account(), code)
        assert command("revoke", "b") == ["Revoked 2 codes."]
        b, a = command("list")
        assert b == "b  revoked  2 codes of $2.0000  redeemed 0 of 2 times"
        assert re.fullmatch(r"a  usable until \S+Z  1 codes of \$1.0000  redeemed 1 of 1 times", a)
        RedeemBatch.objects.filter(name="a").update(expires_at=clock.now())
        assert command("list")[1].startswith("a  expired ")

    def test_what_it_does_is_written_down_and_no_code_is(self) -> None:
        code, _ = command("create", "--name", "a", "--amount", "1", "--count", "2")
        command("revoke", code)
        command("revoke", "a")
        command("create", "--name", "b", "--amount", "1", "--count", "1")
        entries = AuditEntry.objects.order_by("pk")
        assert [(entry.action, entry.target, entry.detail["codes"]) for entry in entries] == [
            ("redeem.make", "a", 2),
            ("redeem.revoke", f"EGG-...{code[-4:]}", 1),
            ("redeem.revoke", "a", 1),
            ("redeem.make", "b", 1),
        ]

    def test_it_revokes_a_code(self) -> None:
        code, _ = command("create", "--name", "a", "--amount", "1", "--count", "2")
        assert command("revoke", code) == ["Revoked 1 code."]
        for text in (code, "nothing"):
            with pytest.raises(CommandError, match="There is no such code"):
                command("revoke", text)

    @pytest.mark.parametrize(
        "wrong",
        [
            ["--amount", "0"],
            ["--amount=-1"],
            ["--amount", "much"],
            ["--amount", "10000.01"],
            ["--count", "0"],
            ["--count", "10001"],
            ["--uses", "0"],
            ["--expires", "soon"],
            ["--name", " "],
            ["--name", "a\nb"],
        ],
    )
    def test_what_cannot_be_is_refused(self, wrong: list[str]) -> None:
        right = ["--name", "fair", "--amount", "5.00", "--count", "1"]
        with pytest.raises(CommandError, match="^" + re.escape(wrong[0].partition("=")[0])):
            command("create", *right, *wrong)
        assert not RedeemBatch.objects.exists()
