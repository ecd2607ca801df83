"""How far money goes: about how many images, at what they have cost an account lately."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Sum

from billing.models import DailyUsage

LATELY = timedelta(days=30)
Price = Callable[[], int | None]
_cheapest: list[Price] = []


@dataclass(frozen=True, slots=True)
class Mix:
    """What an account had in the last thirty days: images, and micro-dollars for them."""

    images: int
    cost: int

    @property
    def price(self) -> int | None:
        """Of an image, in micro-dollars: on average or, without any, the lowest on sale. None where nothing is."""
        return self.cost // self.images if self.images and self.cost else cheapest()

    def images_for(self, amount: int) -> int | None:
        """About how many this many micro-dollars are good for."""
        if self.images and self.cost:
            return max(amount, 0) * self.images // self.cost
        price = cheapest()
        return max(amount, 0) // price if price else None


def of(account_id: int, mode: str, today: date) -> Mix:
    days = DailyUsage.objects.filter(account=account_id, mode=mode, day__gt=today - LATELY)
    sums = days.aggregate(images=Sum("units"), cost=Sum("cost"))
    return Mix(int(sums["images"] or 0), int(sums["cost"] or 0))


def priced_by(cheapest: Price) -> None:
    """Registers who knows the lowest price on sale; called once, at start."""
    _cheapest[:] = [cheapest]


def cheapest() -> int | None:
    return _cheapest[0]() if _cheapest else None
