"""What operators fill in to move money by hand, and customers about theirs."""

from datetime import timedelta
from typing import Any

from django import forms
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from accounts.fields import MOST_BUDGET
from accounts.models import User
from billing import fields, redeem
from billing.models import LONGEST_REASON, LedgerEntry
from eggapi import ids, money
from eggapi.days import DaysForm
from eggapi.fields import Fault


class MoveForm(BaseDialogForm):
    """`once` tells a form that was sent twice from two that say the same."""

    amount = money.DollarsInput(
        widget=UnfoldAdminTextInputWidget,
        help_text="Dollars, such as 5 or 0.01; a credit of -5 takes five dollars back.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer reads it on the statement.",
    )
    once = forms.CharField(max_length=40, widget=forms.HiddenInput, initial=lambda: ids.random_text(24))

    def values(self) -> tuple[int, str, str]:
        """Amount, reason and what makes it one."""
        cleaned: dict[str, Any] = self.cleaned_data
        return cleaned["amount"], cleaned["reason"], cleaned["once"]


class BatchForm(forms.Form):
    """A batch of redeem codes to be made."""

    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, help_text="For operators alone.")
    amount = money.DollarsInput(
        least=1,
        most=redeem.MOST_WORTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="Dollars that each code is worth.",
    )
    count = forms.IntegerField(
        label="Codes", min_value=1, max_value=redeem.MOST_CODES, initial=10, widget=UnfoldAdminIntegerFieldWidget
    )
    uses = forms.IntegerField(
        label="Uses of each",
        min_value=1,
        max_value=redeem.MOST_USES,
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

    def make(self, actor: User) -> list[str]:
        """The codes."""
        made = self.cleaned_data
        expires = timedelta(days=made["days"]) if made["days"] else None
        return redeem.make(made["name"], made["amount"], made["count"], made["uses"], expires, actor)


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
        text: str = self.cleaned_data["amount"]
        try:
            return fields.whole_cents(text.strip().removeprefix("$"))
        except Fault as fault:
            raise forms.ValidationError(f"The amount {fault}.") from None


class WarningForm(forms.Form):
    amount = money.DollarsInput(
        label="Mail the owners below",
        least=1,
        most=MOST_BUDGET,
        required=False,
        help_text="Dollars, such as 5.00; empty for no mail.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "no mail", "maxlength": 30}),
    )


class LedgerFilter(DaysForm):
    """Which entries to show: of a kind, of some days."""

    kind = forms.ChoiceField(required=False, choices=[("", "Any"), *LedgerEntry.Kind.choices])

    def lookups(self) -> dict[str, Any]:
        """Of what was understood."""
        lookups: dict[str, Any] = self.period()
        if kind := self.cleaned_data.get("kind"):
            lookups["kind"] = kind
        return lookups
