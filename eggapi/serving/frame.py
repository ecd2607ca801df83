"""What stands around every page of the dashboard: where one can go, the mode, the balance, what is wrong just now."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import legal, signup
from accounts.member import Member
from accounts.models import Account, Membership
from billing.models import Wallet
from eggapi.models import Incident
from eggapi.theme import theme_of


@dataclass(frozen=True, slots=True)
class Place:
    path: str
    title: str
    icon: str
    keys: str = ""
    gap: bool = False
    is_here: bool = False


PLACES = (
    Place("/home", "Overview", "house", "g o"),
    Place("/playground", "Playground", "play", "c"),
    Place("/tasks", "Tasks", "list-checks", "g t"),
    Place("/usage", "Usage", "chart-column", "g u"),
    Place("/keys", "API keys", "key-round", "g k", gap=True),
    Place("/webhooks", "Webhooks", "webhook", "g w"),
    Place("/limits", "Limits", "gauge"),
    Place("/billing", "Billing", "wallet", "g b", gap=True),
    Place("/team", "Team", "users"),
    Place("/settings", "Settings", "settings", "g s"),
    Place("/models", "Models", "box", gap=True),
    Place("/docs/", "Docs", "book-open", "g d"),
)
OPERATE = Place("/admin/", "Operate", "shield")


class Frame:
    """Asked by the templates, so that a page which shows no part of it pays for none."""

    def __init__(self, request: HttpRequest, member: Member) -> None:
        self._path, self._member = request.path, member

    @property
    def places(self) -> list[Place]:
        known = [*PLACES, OPERATE] if self._member.user.is_staff else PLACES
        here = "/settings" if self._path.startswith("/accounts/") else self._path
        return [Place(p.path, p.title, p.icon, p.keys, p.gap, here.startswith(p.path)) for p in known]

    @property
    def mode(self) -> str:
        return self._member.mode

    @property
    def is_test(self) -> bool:
        return self._member.is_test

    @property
    def account(self) -> Account:
        return self._member.account

    @property
    def accounts(self) -> list[Membership]:
        return list(Membership.objects.filter(user=self._member.user).select_related("account").order_by("pk"))

    @property
    def balance(self) -> int:
        """What is free, in micro-dollars."""
        wallet = Wallet.objects.filter(pk=Wallet.id_of(self._member.account.pk, self._member.mode)).first()
        return wallet.available if wallet else 0

    @property
    def unconfirmed(self) -> bool:
        """Whether the person has still to open the link in the mail they got."""
        return signup.is_waited_for(self._member.user)

    @property
    def starting_credit(self) -> int:
        """What confirming it brings, in micro-dollars."""
        return int(settings.EGGAPI_SIGNUP_CREDIT)

    @property
    def terms_due(self) -> bool:
        return legal.is_due(self._member.user)

    @property
    def incidents(self) -> QuerySet[Incident]:
        return Incident.objects.filter(ended_at=None).order_by("-started_at")


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `theme` and `takes_strangers` everywhere, `member` and `frame` on the dashboard's pages."""
    context: dict[str, Any] = {"theme": theme_of(request), "takes_strangers": settings.EGGAPI_SIGNUP == "open"}
    member = getattr(request, "member", None)
    if member is not None:
        context |= {"member": member, "frame": Frame(request, member)}
    return context
