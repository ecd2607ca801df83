"""What operators fill in to move money by hand, and customers about theirs."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from billing import fields
from billing.models import LONGEST_REASON, LedgerEntry
from eggapi import ids, money
from eggapi.fields import Fault, dollars

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
