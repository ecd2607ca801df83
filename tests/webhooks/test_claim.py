"""Who may send what: places, leases and their tokens."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from accounts.models import Account
from accounts.opening import account_of
from eggapi.batch import run
from tests.webhooks.conftest import queue
from webhooks.claim import Claimed, claim
from webhooks.delivery import Courier, Sent, save
from webhooks.models import Delivery, DeliveryAttempt
from webhooks.verdict import Answer

SOME_URL = "https://example.com/hook"


def claim_now(room: int = 200) -> list[Claimed]:
    with transaction.atomic():
        return claim(room)


def save_now(claimed: Claimed, status: int = 200) -> None:
    with transaction.atomic():
        save([Sent(claimed, Answer(status), 1)])


def test_it_works(account: Account) -> None:
    queue(account, SOME_URL, payload=b'{"n": 1}')
    (mine,) = claim_now()
    one = Delivery.objects.get()
    assert (mine.id, mine.event_id, mine.url, mine.body, mine.attempts) == (
        one.pk, one.event_id, SOME_URL, b'{"n": 1}', 0,
    )  # fmt: skip
    assert [secret.plain for secret in mine.secrets] == [account.webhook_secrets.get().plain]
    assert one.lease_until == mine.at + timedelta(seconds=60)
    assert claim_now() == []


def test_a_delivery_whose_time_has_not_come_stays(account: Account) -> None:
    queue(account, SOME_URL, 2)
    early = Delivery.objects.latest("pk")
    Delivery.objects.filter(pk=early.pk).update(next_run_at=F("next_run_at") + timedelta(seconds=60))
    assert [mine.id for mine in claim_now()] == [early.pk - 1]


def test_a_claimed_delivery_says_nothing_of_what_it_carries(account: Account) -> None:
    queue(account, SOME_URL, payload=b"the payload")
    (mine,) = claim_now()
    assert str(mine) == f"delivery {mine.id} of {mine.event_id}"


def test_an_account_has_eight_places(account: Account) -> None:
    bob = account_of("bob@example.com")
    for n in range(5):
        queue(account, f"https://{n}.example.com/", 3)
    queue(bob, "https://0.example.com/", 3)
    claimed = claim_now()
    owners = Delivery.objects.in_bulk([one.id for one in claimed])
    per_account = [owner.account_id for owner in owners.values()]
    per_host = [owner.host for owner in owners.values()]
    assert per_account.count(account.pk) == 8
    assert per_account.count(bob.pk) == 1  # the other three places of that host were taken
    assert max(map(per_host.count, per_host)) == 4


def test_a_receiver_has_four_places_however_it_is_spelled(account: Account) -> None:
    for url in (
        "https://example.com/a",
        "https://EXAMPLE.com:443/b",
        "https://example.com.:443/c?d",
        "https://example.com",
    ):
        queue(account, url, 2)
    assert len(claim_now()) == 4


def test_a_claim_looks_past_a_long_queue(account: Account) -> None:
    queue(account, "https://busy.example.com/", 30)
    queue(account, "https://idle.example.com/", 2)
    hosts = [Delivery.objects.get(pk=one.id).host for one in claim_now(room=7)]
    assert sorted(hosts) == ["busy.example.com:443"] * 4 + ["idle.example.com:443"] * 2
    assert claim_now() == []


@pytest.mark.postgres_only
def test_couriers_that_claim_at_once_share_the_places(account: Account) -> None:
    queue(account, SOME_URL, 40)
    barrier = threading.Barrier(8)
    claimed: list[Claimed] = []

    def claim_with_others() -> None:
        barrier.wait()
        claimed.extend(claim_now())
        connection.close()

    threads = [threading.Thread(target=claim_with_others) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.id for one in claimed}) == len(claimed) == 4


def test_a_courier_that_lost_its_lease_changes_nothing(account: Account) -> None:
    queue(account, SOME_URL)
    one = Delivery.objects.get()
    (stale,) = claim_now()
    Delivery.objects.update(lease_until=F("lease_until") - timedelta(seconds=61))
    (fresh,) = claim_now()
    save_now(stale, 410)
    for step in (Courier().renew, Courier().release, Courier().give_back):
        step([stale])
    one.refresh_from_db()
    assert (one.state, one.attempts, one.lease_token, DeliveryAttempt.objects.count()) == ("due", 0, fresh.token, 0)
    assert one.lease_until == fresh.at + timedelta(seconds=60)
    save_now(fresh)
    save_now(stale, 410)
    one.refresh_from_db()
    assert (one.state, one.attempts, one.log.get().status) == ("delivered", 1, 200)


def test_a_lease_can_be_renewed_and_given_back(account: Account) -> None:
    queue(account, SOME_URL)
    one = Delivery.objects.get()
    (mine,) = claim_now()
    Delivery.objects.update(lease_until=F("lease_until") - timedelta(seconds=30))
    Courier().renew([mine])
    one.refresh_from_db()
    assert one.lease_until
    assert one.lease_until >= mine.at + timedelta(seconds=60)
    Courier().release([mine])
    assert [again.id for again in claim_now()] == [one.pk]


def test_one_bad_delivery_does_not_spoil_the_batch(account: Account) -> None:
    queue(account, SOME_URL, 2)
    first, second = claim_now()
    DeliveryAttempt.objects.create(delivery_id=first.id, n=1, at=first.at, milliseconds=1)
    failed, saved = run(save, [Sent(first, Answer(200), 1), Sent(second, Answer(200), 1)])
    assert isinstance(failed, Exception)
    assert saved is None
    assert Delivery.objects.get(state="delivered").pk == second.id
