"""The headers of a webhook: what it is, when it was sent, and proof that we sent it. Pure.

Two schemes side by side: EggAPI's own, which a shell can check with openssl, and Standard Webhooks
(https://www.standardwebhooks.com), for which every language has a library.
"""

import hmac
from base64 import b64decode, b64encode


def headers(event_id: str, body: bytes, timestamp: int, secrets: list[str]) -> dict[str, str]:
    """Of one attempt at `timestamp` (Unix seconds). `secrets` are the live ones as printed, newest first.

    EggAPI's signature is made with the newest, as printed, over `{timestamp}.{body}`. The Standard
    Webhooks one carries a signature per secret, made with its decoded bytes over `{id}.{timestamp}.{body}`.
    """
    own = hmac.digest(secrets[0].encode(), f"{timestamp}.".encode() + body, "sha256")
    signed = f"{event_id}.{timestamp}.".encode() + body
    return {
        "Content-Type": "application/json",
        "User-Agent": "EggAPI-Webhooks/1",
        "X-EggAPI-Timestamp": str(timestamp),
        "X-EggAPI-Signature": f"sha256={own.hex()}",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_standard(secret, signed) for secret in secrets),
    }


def _standard(secret: str, signed: bytes) -> str:
    key = b64decode(secret.removeprefix("whsec_"))
    return f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
