"""What operators fill in to move money by hand, and customers about theirs."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from billing import fields, redeem
from billing.models import LONGEST_REASON, LedgerEntry
from eggapi import ids, money
from eggapi.fields import Fault, dollars

MOST_CODES = 10_000
MOST_OF_A_CODE = 10_000_000_000  # $10,000.00
HIGHEST_WARNING = 100_000_000_000  # $100,000.00


class Day(forms.DateInput):
    input_type = "date"


class MoveForm(BaseDialogForm):
    """`once` tells a form that was sent twice from two that say the same."""

    amount = forms.CharField(
        max_length=30,
        widget=UnfoldAdminTextInputWidget,
        help_text="Dollars, such as 5 or 0.01; a credit of -5 takes five dollars back.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer reads it on the statement.",
    )
    once = forms.CharField(max_length=40, widget=forms.HiddenInput, initial=lambda: ids.random_text(24))

    def clean_amount(self) -> int:
        """Micro-dollars."""
        try:
            return money.parse(self.cleaned_data["amount"])
        except ValueError as fault:
            raise forms.ValidationError(f"{fault}.") from None

    def values(self) -> tuple[int, str, str]:
        """Amount, reason and what makes it one."""
        cleaned: dict[str, Any] = self.cleaned_data
        return cleaned["amount"], cleaned["reason"], cleaned["once"]


class BatchForm(forms.Form):
    """A batch of redeem codes to be made."""

    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, help_text="For operators alone.")
    amount = forms.CharField(
        max_length=30, widget=UnfoldAdminTextInputWidget, help_text="Dollars that each code is worth."
    )
    count = forms.IntegerField(
        label="Codes", min_value=1, max_value=MOST_CODES, initial=10, widget=UnfoldAdminIntegerFieldWidget
    )
    uses = forms.IntegerField(
        label="Uses of each",
        min_value=1,
        max_value=1_000_000,
        initial=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="By as many accounts; each may redeem a code once.",
    )
    days = forms.IntegerField(
        label="Good for days",
        min_value=1,
        max_value=3650,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Empty: for ever.",
    )

    def clean_amount(self) -> int:
        """Micro-dollars."""
        try:
            amount = money.parse(self.cleaned_data["amount"])
        except ValueError as fault:
            raise forms.ValidationError(f"{fault}.") from None
        if not 0 < amount <= MOST_OF_A_CODE:
            raise forms.ValidationError(f"More than nothing, and at most {money.display(MOST_OF_A_CODE)}.")
        return amount

    def make(self) -> list[str]:
        """The codes."""
        made = self.cleaned_data
        expires = timedelta(days=made["days"]) if made["days"] else None
        return redeem.make(made["name"], made["amount"], made["count"], made["uses"], expires)


# -- customers ---------------------------------------------------------------------------------------


class RedeemForm(forms.Form):
    code = forms.CharField(
        max_length=fields.LONGEST_CODE,
        widget=forms.TextInput(
            attrs={"placeholder": "EGG-7M2K-9QXA-0WTD-B4ZE", "autocomplete": "off", "spellcheck": "false"}
        ),
    )


class TopUpForm(forms.Form):
    amount = forms.CharField(
        label="US dollars",
        max_length=30,
        initial="20.00",
        help_text="Whole cents, from $5 to $1,000.",
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )

    def clean_amount(self) -> int:
        """Micro-dollars."""
        return _read(fields.whole_cents, self.cleaned_data["amount"])


class WarningForm(forms.Form):
    amount = forms.CharField(
        label="Mail the owners below",
        required=False,
        max_length=30,
        help_text="Dollars, such as 5.00; empty for no mail.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "no mail"}),
    )

    def clean_amount(self) -> int | None:
        """Micro-dollars; None for no mail."""
        text: str = self.cleaned_data["amount"]
        return _read(lambda value: dollars(value, fields.CENT, HIGHEST_WARNING), text) if text else None


class LedgerFilter(forms.Form):
    """Which entries to show: of a kind, of some days in UTC."""

    kind = forms.ChoiceField(required=False, choices=[("", "Any"), *LedgerEntry.Kind.choices])
    since = forms.DateField(required=False, input_formats=["%Y-%m-%d"], label="From (UTC)", widget=Day)
    until = forms.DateField(required=False, input_formats=["%Y-%m-%d"], label="To (UTC)", widget=Day)

    def lookups(self) -> dict[str, Any]:
        """Of what was understood."""
        read = self.cleaned_data
        lookups: dict[str, Any] = {}
        if kind := read.get("kind"):
            lookups["kind"] = kind
        if since := read.get("since"):
            lookups["created_at__gte"] = datetime.combine(since, time.min, UTC)
        if until := read.get("until"):
            lookups["created_at__lte"] = datetime.combine(until, time.max, UTC)
        return lookups


def _read(reader: Callable[[Any], int], text: str) -> int:
    try:
        return reader(text.strip().removeprefix("$"))
    except Fault as fault:
        raise forms.ValidationError(f"The amount {fault}.") from None
