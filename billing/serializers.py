"""Usage and balances in the words of /v1."""

from collections.abc import Mapping
from typing import Any

from billing.models import TopUp, UsageRecord, Wallet
from eggapi import clock, money


def usage_body(record: UsageRecord) -> dict[str, Any]:
    return {
        "id": record.task_id.replace("gen_", "use_"),  # there is one per task, and a number would tell how many
        "task_id": record.task_id,
        "model": record.model,
        "type": record.type,
        "units": record.units,
        "unit_price": money.display(record.unit_price),
        "cost": money.display(record.cost),
        "created_at": clock.iso(record.created_at),
    }


def summary_body(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "total_units": row["total_units"],
        "total_cost": money.display(row["total_cost"]),
        "request_count": row["request_count"],
    }


def balance_body(wallet: Wallet) -> dict[str, Any]:
    return {"mode": wallet.mode, "available": money.display(wallet.available), "held": money.display(wallet.held)}


def topup_body(topup: TopUp, url: str) -> dict[str, Any]:
    return {
        "id": topup.order,
        "amount": money.display(topup.amount),
        "state": topup.state,
        "url": url,
        "created_at": clock.iso(topup.created_at),
    }
