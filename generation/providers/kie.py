"""kie.ai: jobs to be polled, one image each. https://docs.kie.ai, read in November 2026.

An error may come as HTTP 200 with another `code` in the body, so the code is what counts.
"""

import base64
from collections.abc import Generator
from decimal import Decimal
from typing import Any, ClassVar

import orjson

from generation.providers import signatures
from generation.providers.base import (
    Accepted,
    BadCredential,
    Call,
    Callback,
    Capabilities,
    Failed,
    Finished,
    Image,
    Job,
    Outcome,
    Pending,
    Polled,
    Provider,
    Rejected,
    Reply,
    Standing,
    Submitted,
    Unreadable,
)

RATIOS = frozenset({"1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"})
LARGE = frozenset({"1k", "2k", "4k"})
WORKING = {"waiting", "queuing", "generating"}
BUSY = {429, 455}
ROUTE_DOWN = {401, 402, 404, 433, 505}
FAILED = 501
POLICY = ("sensitive", "flagged", "policy", "prohibited", "nsfw", "safety")


class Kie(Provider):
    """Advice of the vendor: poll every 2 to 3 s for 30 s, then less often. Pictures may go after 24 h."""

    name: ClassVar[str] = "kie"
    default_base_url: ClassVar[str] = "https://api.kie.ai/api/v1"
    first_poll: ClassVar[float] = 5.0
    poll_every: ClassVar[float] = 2.5
    poll_backoff: ClassVar[float] = 1.15
    poll_slowest: ClassVar[float] = 15.0
    low_balance: ClassVar[Decimal] = Decimal(100)
    calls_back: ClassVar[bool] = True

    def capabilities(self, upstream_model: str) -> Capabilities:
        pro = upstream_model.endswith("-pro")
        return Capabilities(
            aspect_ratios=RATIOS,
            resolutions=frozenset({"1k"}) if upstream_model.startswith("google/") else LARGE,
            output_formats=frozenset({"png", "jpeg"}),
            max_references=8 if pro else 10,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        body = {"model": self._model(job), "input": self._input(job)}
        if job.callback_url:
            body["callBackUrl"] = job.callback_url
        reply = yield Call("POST", "/jobs/createTask", json=body)
        code, message = _code(reply), reply.said("msg")
        if code == 200:
            return Accepted(reply.json["data"]["taskId"])
        if code in BUSY:
            return Rejected(Outcome.RETRYABLE, message, retry_after=reply.retry_after)
        if code in ROUTE_DOWN:
            return Rejected(Outcome.ROUTE_DOWN, f"{code} {message}")
        if code not in {400, 422}:
            raise Unreadable(f"code {code}")
        if _is_policy(message):
            return Rejected(Outcome.REFUSED, message)
        if "10 mb" in message.lower():
            return Rejected(Outcome.INVALID, "a picture in image_urls is larger than 10 MB")
        return Rejected(Outcome.RETRYABLE, message, alarm=f"code {code}: {message}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", "/jobs/recordInfo", query={"taskId": upstream_id}, timeout=20)
        code = _code(reply)
        if code in {404, 422}:
            return Failed(Outcome.NO_IMAGE, "the job is not known")
        if code not in {200, FAILED}:
            return Pending(wait=reply.retry_after)
        match reply.json["data"]:
            case {"state": "success", "resultJson": result}:
                urls = orjson.loads(result or "{}").get("resultUrls") or ()
                return Finished(tuple(Image(url) for url in urls))
            case {"state": "fail"}:
                why, message = reply.said("data", "failCode"), reply.said("data", "failMsg")
                refused = why == "400" or _is_policy(message)
                return Failed(Outcome.REFUSED if refused else Outcome.RETRYABLE, f"{why} {message}")
            case {"state": state}:
                return Pending(alarm="" if state in WORKING else f"unknown state {state}")
        raise Unreadable("no state")

    def standing(self) -> Generator[Call, Reply, Standing]:
        reply = yield Call("GET", "/chat/credit", timeout=20)
        if _code(reply) == 401:
            raise BadCredential
        return Standing(balance=Decimal(str(reply.json["data"])))

    def verified(self, callback: Callback) -> Generator[Call, Reply, str]:
        """The signature covers the job's id and the time, not the body; there is one where we have a key."""
        data = callback.json["data"]
        upstream_id = str(data.get("taskId") or data["task_id"])
        if self.callback_secret:
            signed = f"{upstream_id}.{callback.headers.get('X-Webhook-Timestamp', '')}"
            mac = signatures.mac(self.callback_secret.encode(), signed.encode())
            genuine = signatures.same(base64.b64encode(mac).decode(), callback.headers.get("X-Webhook-Signature", ""))
            if not genuine or not signatures.is_fresh(callback, "X-Webhook-Timestamp"):
                return ""
        return upstream_id
        yield

    def _model(self, job: Job) -> str:
        return f"{job.model}-edit" if job.model == "google/nano-banana" and job.references else job.model

    def _input(self, job: Job) -> dict[str, Any]:
        given: dict[str, Any] = {
            "prompt": job.text,
            "aspect_ratio": job.aspect_ratio,
            "output_format": "jpeg" if job.output_format == "jpeg" and job.model.startswith("google/") else "png",
        }
        if not job.model.startswith("google/"):
            given["resolution"] = job.resolution.upper()
            given["output_format"] = "jpg" if job.output_format == "jpeg" else "png"
        if job.references:
            name = "image_input" if job.model.endswith("-pro") else "image_urls"
            given[name] = [reference.url for reference in job.references]
        return given


def _code(reply: Reply) -> int:
    """The body's code; the status where the body has none."""
    return int(reply.json.get("code", reply.status)) if reply.status == 200 else reply.status


def _is_policy(message: str) -> bool:
    return any(word in message.lower() for word in POLICY)
