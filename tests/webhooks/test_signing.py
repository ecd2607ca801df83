"""Every webhook can be verified with a library of Standard Webhooks and with openssl."""

import subprocess
import time
from base64 import b64encode

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks.signing import headers

NEWEST = "whsec_" + b64encode(bytes(range(32))).decode()
OLDER = "whsec_" + b64encode(bytes(range(32, 64))).decode()
BODY = '{"event":"task.completed","prompt":"für Élise 🎹"}'.encode()
EVENT_ID = "msg_0123456789abcdefghijklmn"


def test_it_works() -> None:
    now = int(time.time())
    sent = headers(EVENT_ID, BODY, now, [NEWEST])
    assert sent | {"X-EggAPI-Signature": "", "webhook-signature": ""} == {
        "Content-Type": "application/json",
        "User-Agent": "EggAPI-Webhooks/1",
        "X-EggAPI-Timestamp": str(now),
        "X-EggAPI-Signature": "",
        "webhook-id": EVENT_ID,
        "webhook-timestamp": str(now),
        "webhook-signature": "",
    }
    assert Webhook(NEWEST).verify(BODY.decode(), sent) == {"event": "task.completed", "prompt": "für Élise 🎹"}


def test_openssl_agrees() -> None:
    signed = b"1760000000." + BODY
    printed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", NEWEST], input=signed, capture_output=True, check=True
    ).stdout.decode()
    sent = headers(EVENT_ID, BODY, 1760000000, [NEWEST, OLDER])
    assert sent["X-EggAPI-Signature"] == f"sha256={printed.split()[-1]}"


def test_the_reference_vector_of_standard_webhooks() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    sent = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", body, 1614265330, [secret])
    assert sent["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [NEWEST, OLDER])
def test_each_live_secret_signs(secret: str) -> None:
    Webhook(secret).verify(BODY.decode(), headers(EVENT_ID, BODY, int(time.time()), [NEWEST, OLDER]))


def test_it_rejects_what_was_altered() -> None:
    now = int(time.time())
    sent = headers(EVENT_ID, BODY, now, [NEWEST])
    others = [
        (OLDER, BODY, sent),
        (NEWEST, BODY + b" ", sent),
        (NEWEST, BODY, sent | {"webhook-id": "msg_other"}),
        (NEWEST, BODY, sent | {"webhook-timestamp": str(now + 1)}),
        (NEWEST, BODY, headers(EVENT_ID, BODY, now - 360, [NEWEST])),
    ]
    for secret, body, altered in others:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body.decode(), altered)
