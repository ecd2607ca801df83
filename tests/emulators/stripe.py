"""Stripe on loopback: Checkout sessions with their payments, refunds and disputes, and events signed as Stripe signs.

Forms nest like `line_items[0][price_data][unit_amount]=2000`. Sources: docs.stripe.com/api and /webhooks,
read in November 2026. What customers and banks do is a method here; each returns the event of it.
"""

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from itertools import count
from typing import Any, Self

from aiohttp import web

KEY = "sk_test_emulator0123456789"
SECRET = "whsec_emulator0123456789"

Event = dict[str, Any]


class Stripe:
    """`calls` counts requests; `fault` is "" or e500, hang, drop or 401, which every request then meets.

    `created` counts sessions by idempotency key.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.payments: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.created: Counter[str] = Counter()
        self.fault = ""
        self._by_key: dict[str, str] = {}
        self._numbers = count(1)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/v1/checkout/sessions", self._create)
        app.router.add_get("/v1/checkout/sessions", self._list_sessions)
        app.router.add_get("/v1/checkout/sessions/{id}", self._retrieve)
        app.router.add_get("/v1/disputes", self._list_disputes)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    # -- what customers and banks do ---------------------------------------------------------------

    def pay(self, session_id: str, **changed: Any) -> Event:
        """By card. `changed` is what the payment has otherwise, an amount_received say."""
        session = self.sessions[session_id]
        session["status"] = "complete"
        self._intent(session, "succeeded", **changed)
        session["payment_status"] = "paid"
        return self.event("checkout.session.completed", session)

    def promise(self, session_id: str) -> Event:
        """By a bank transfer that takes days."""
        session = self.sessions[session_id]
        session["status"] = "complete"
        self._intent(session, "processing")
        return self.event("checkout.session.completed", session)

    def keep_promise(self, session_id: str) -> Event:
        return self.pay(session_id) | {"type": "checkout.session.async_payment_succeeded"}

    def break_promise(self, session_id: str) -> Event:
        session = self.sessions[session_id]
        self.payments[session["payment_intent"]]["status"] = "requires_payment_method"
        return self.event("checkout.session.async_payment_failed", session)

    def expire(self, session_id: str) -> Event:
        self.sessions[session_id]["status"] = "expired"
        return self.event("checkout.session.expired", self.sessions[session_id])

    def refund(self, payment: str, cents: int) -> Event:
        charge = self.payments[payment]["latest_charge"]
        charge["amount_refunded"] += cents
        return self.event("charge.refunded", charge)

    def dispute(self, payment: str, cents: int, status: str = "needs_response") -> Event:
        """Opened, or brought to another state."""
        self.payments[payment]["latest_charge"]["disputed"] = True
        dispute = {"id": f"du_{payment}", "object": "dispute", "amount": cents, "currency": "usd"}
        self.disputes[payment] = dispute | {"payment_intent": payment, "status": status}
        return self.event("charge.dispute.updated", self.disputes[payment])

    def event(self, kind: str, thing: dict[str, Any]) -> Event:
        return {
            "id": f"evt_{next(self._numbers)}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "type": kind,
            "data": {"object": thing},
        }

    def _intent(self, session: dict[str, Any], status: str, **changed: Any) -> None:
        payment = session["payment_intent"] or f"pi_{next(self._numbers)}"
        session["payment_intent"] = payment
        received = session["amount_total"] if status == "succeeded" else 0
        charge = {"id": f"ch_{payment}", "object": "charge", "payment_intent": payment}
        self.payments[payment] = {
            "id": payment,
            "object": "payment_intent",
            "status": status,
            "currency": session["currency"],
            "amount_received": received,
            "latest_charge": charge | {"amount": received, "amount_refunded": 0, "disputed": False},
        } | changed

    # -- the API -----------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls[f"{request.method} {request.path}"] += 1
        if self.fault == "e500":
            return _error(500, "api_error")
        if self.fault == "hang":
            await asyncio.sleep(30)
        if self.fault == "drop":
            request.transport.close()  # type: ignore[union-attr]
            return web.Response()
        if self.fault == "401" or request.headers.get("Authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_request_error")
        response: web.StreamResponse = await handler(request)
        return response

    async def _create(self, request: web.Request) -> web.Response:
        key, form = request.headers["Idempotency-Key"], await request.post()
        if key not in self._by_key:
            price = "line_items[0][price_data]"
            session_id = self._by_key[key] = f"cs_test_{next(self._numbers)}"
            self.sessions[session_id] = {
                "id": session_id,
                "object": "checkout.session",
                "mode": form["mode"],
                "status": "open",
                "payment_status": "unpaid",
                "client_reference_id": form["client_reference_id"],
                "metadata": {"order": form["metadata[order]"]},
                "currency": form[f"{price}[currency]"],
                "amount_total": int(str(form[f"{price}[unit_amount]"])) * int(str(form["line_items[0][quantity]"])),
                "customer_email": form["customer_email"],
                "success_url": form["success_url"],
                "cancel_url": form["cancel_url"],
                "payment_intent": None,
                "url": f"https://checkout.stripe.test/c/pay/{session_id}",
            }
            self.created[key] += 1
        return web.json_response(self.sessions[self._by_key[key]])

    async def _retrieve(self, request: web.Request) -> web.Response:
        session = self.sessions.get(request.match_info["id"])
        if session is None:
            return _error(404, "invalid_request_error")
        if "payment_intent.latest_charge" in request.query.values() and session["payment_intent"]:
            session = session | {"payment_intent": self.payments[session["payment_intent"]]}
        return web.json_response(session)

    async def _list_sessions(self, request: web.Request) -> web.Response:
        payment = request.query["payment_intent"]
        return _page([each for each in self.sessions.values() if each["payment_intent"] == payment])

    async def _list_disputes(self, request: web.Request) -> web.Response:
        return _page([self.disputes[payment] for payment in [request.query["payment_intent"]]])


def _page(things: list[Any]) -> web.Response:
    return web.json_response({"object": "list", "data": things, "has_more": False})


def _error(status: int, kind: str) -> web.Response:
    return web.json_response({"error": {"type": kind, "message": "The emulator was told to."}}, status=status)


def signed(event: Event, secret: str = SECRET, age: int = 0) -> tuple[bytes, str]:
    """The body and the Stripe-Signature header of an event sent `age` seconds ago."""
    body = json.dumps(event, indent=2).encode()
    at = int(time.time()) - age
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={at},v1={mac}"
