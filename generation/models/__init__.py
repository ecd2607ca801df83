"""The product's rows: what is sold, where it can be bought, and every task with what was tried for it."""

from generation.models.catalogue import Breaker, CatalogueVersion, ImageModel, Price, Provider, Route
from generation.models.task import (
    LEASE,
    MOST_CLAIMS_WITHOUT_PROGRESS,
    PAID,
    TERMINAL,
    UNFINISHED,
    Attempt,
    Heartbeat,
    Output,
    Purchase,
    Status,
    Strategy,
    Task,
    TaskQuerySet,
)

__all__ = [
    "Attempt",
    "Breaker",
    "CatalogueVersion",
    "Heartbeat",
    "ImageModel",
    "LEASE",
    "MOST_CLAIMS_WITHOUT_PROGRESS",
    "Output",
    "PAID",
    "Price",
    "Provider",
    "Purchase",
    "Route",
    "Status",
    "Strategy",
    "TERMINAL",
    "Task",
    "TaskQuerySet",
    "UNFINISHED",
]
