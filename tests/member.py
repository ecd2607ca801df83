"""Somebody at the dashboard, with the pages in front of them."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Membership, User
from accounts.opening import account_of

SCRIPT = "<script>alert(1)</script>"


class Person:
    """A member of an account, by default the owner of one of their own, in test mode."""

    def __init__(self, email: str, account: Account | None = None, role: str = "owner", mode: str = "test") -> None:
        if account is None:
            self.account = account_of(email)
            self.user: User = self.account.members.get(email=email)
        else:
            self.account, self.user = account, User.objects.create_user(email)
            Membership.objects.create(account=account, user=self.user, role=role)
        self.http = Client(headers={"Accept": "text/html"})
        self.http.force_login(self.user)
        if mode == "live":
            self.http.post("/mode", {"mode": "live"})

    @property
    def membership(self) -> Membership:
        return Membership.objects.get(user=self.user, account=self.account)

    def read(self, path: str) -> str:
        """A page's text as people read it: no tags, single spaces."""
        reply = self.http.get(path)
        assert reply.status_code == 200, (reply.status_code, path)
        return text_of(reply)

    def source(self, path: str) -> str:
        reply = self.http.get(path)
        assert reply.status_code == 200, (reply.status_code, path)
        return str(reply.content.decode())

    def send(self, path: str, fields: Mapping[str, Any] | None = None) -> str:
        """What the page after it says; the form must have been taken."""
        reply = self.http.post(path, fields or {}, follow=True)
        assert reply.redirect_chain, text_of(reply)
        return text_of(reply)

    def refused(self, path: str, fields: Mapping[str, Any] | None = None) -> str:
        """What the same page says, shown again."""
        reply = self.http.post(path, fields or {})
        assert reply.status_code == 200
        return text_of(reply)

    def status(self, path: str, fields: Mapping[str, Any] | None = None) -> int:
        """Of a POST with these fields, or a GET without."""
        reply = self.http.get(path) if fields is None else self.http.post(path, fields)
        return int(reply.status_code)

    def queries(self, path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            self.read(path)
        return len(seen)


def text_of(reply: Any) -> str:
    body = re.sub(r"(?s)^.*<main", "<main", reply.content.decode())
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))
