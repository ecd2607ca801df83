"""The operators' navigation: what there is, in the order it is needed in, and what each may see of it."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from eggapi.models import Alert

# Group -> (title, icon of Material Symbols, model).
GROUPS = {
    "Operate": (
        ("Alerts", "notifications", "eggapi.Alert"),
        ("Incidents", "campaign", "eggapi.Incident"),
        ("Switches", "toggle_on", "eggapi.Switch"),
    ),
    "Routing": (
        ("Models", "image", "generation.ImageModel"),
        ("Providers", "cloud", "generation.Provider"),
        ("Routes", "alt_route", "generation.Route"),
        ("Breakers", "power_off", "generation.Breaker"),
    ),
    "Tasks": (
        ("Tasks", "pending_actions", "generation.Task"),
        ("Purchases", "shopping_cart", "generation.Purchase"),
    ),
    "Money": (
        ("Wallets", "account_balance_wallet", "billing.Wallet"),
        ("Ledger", "receipt_long", "billing.LedgerEntry"),
        ("Redeem codes", "redeem", "billing.RedeemBatch"),
        ("Top-ups", "credit_card", "billing.TopUp"),
    ),
    "People": (
        ("Users", "person", "accounts.User"),
        ("Accounts", "group", "accounts.Account"),
        ("Keys", "key", "accounts.ApiKey"),
        ("Invitations", "mail", "accounts.Invitation"),
        ("Audit log", "history", "accounts.AuditEntry"),
        ("Outbox", "outbox", "eggapi.Letter"),
    ),
    "Webhooks": (
        ("Events", "event_note", "webhooks.Event"),
        ("Deliveries", "send", "webhooks.Delivery"),
        ("Receivers", "dns", "webhooks.Origin"),
    ),
}
# Group -> pages of no single model: (title, icon, name of the address, permission).
PAGES = {
    "Operate": (("Configuration check", "checklist", "admin:doctor", "eggapi.view_alert"),),
    "Money": (("Reconciliation", "balance", "admin:reconciliation", "billing.view_wallet"),),
    "Webhooks": (("Backlog", "hourglass_top", "admin:webhook_backlog", "webhooks.view_delivery"),),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Without what this operator may not see. A model whose page is not there is left out."""
    seen = {
        f"{app['app_label']}.{model['object_name']}": model["admin_url"]
        for app in admin.site.get_app_list(request)
        for model in app["models"]
    }
    groups: list[dict[str, Any]] = []
    for title, models in GROUPS.items():
        items = [_item(name, icon, seen[label]) for name, icon, label in models if label in seen]
        items += [
            _item(name, icon, reverse(address))
            for name, icon, address, permission in PAGES.get(title, ())
            if request.user.has_perm(permission)
        ]
        groups.append({"title": title, "items": items})
    groups[0]["items"].insert(0, _item("Dashboard", "dashboard", reverse("admin:index")))
    _mark_alerts(groups[0]["items"])
    _mark_present([item for group in groups for item in group["items"]], request.path)
    return groups


def environment(request: HttpRequest) -> list[str]:
    """What this installation is, and the colour of its label."""
    return ["Embedded", "info"] if settings.EGGAPI_EMBEDDED else ["Production", "danger"]


def _item(title: str, icon: str, link: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": link, "active": False}


def _mark_present(items: list[dict[str, Any]], path: str) -> None:
    """The one whose address is the longest beginning of this one: pages lie below others in addresses."""
    around = [item for item in items if path.startswith(item["link"])]
    if around:
        max(around, key=lambda item: len(item["link"]))["active"] = True


def _mark_alerts(items: list[dict[str, Any]]) -> None:
    """With how many are open, up to a hundred."""
    for item in items:
        if item["title"] == "Alerts" and (number := len(Alert.objects.filter(ended_at=None)[:100])):
            item |= {"badge": str(number), "badge_variant": "danger", "badge_style": "solid"}
