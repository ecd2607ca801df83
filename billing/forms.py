"""What operators fill in to move money by hand."""

from typing import Any

from django import forms
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.models import LONGEST_REASON
from eggapi import ids, money


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
