"""What people fill in about their keys, team and account."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator

from accounts import fields
from accounts.fields import NewKey
from accounts.member import Member
from accounts.models import ApiKey, Membership
from accounts.serializers import rate_text
from eggapi import money
from eggapi.errors import ValidationFailed

Role = Membership.Role
LIVES = {"": "Never", "24h": "In a day", "7d": "In a week", "30d": "In 30 days", "90d": "In 90 days"}
LIVES |= {"365d": "In a year"}
PERIODS = {"": "never", "day": "each day", "week": "each week", "month": "each month"}
OVERLAPS = {"now": "now", "1h": "in an hour", "24h": "in 24 hours", "7d": "in 7 days"}


class Sheet(forms.Form):
    """Labels without a colon."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class KeyForm(Sheet):
    """A key as people write it, read by the very readers of POST /v1/keys; `new` is what it comes to."""

    name = forms.CharField(
        max_length=fields.LONGEST_NAME, help_text="Where the key will live, such as “production server”."
    )
    scopes = forms.MultipleChoiceField(
        required=False,
        choices=[
            ("generate", "generate: make pictures, cancel and delete tasks"),
            ("tasks:read", "tasks:read: see tasks and their pictures"),
            ("usage:read", "usage:read: see usage and the balance"),
        ],
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: everything.",
    )
    models = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="None ticked: every model."
    )
    cidrs = forms.CharField(
        label="Networks",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "203.0.113.0/24"}),
        help_text="One per line. The key works from these addresses only; empty: from anywhere.",
    )
    expires = forms.ChoiceField(required=False, choices=list(LIVES.items()))
    rate = forms.CharField(
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"placeholder": "20/minute"}),
        help_text="Calls of POST /v1/generate per second, minute, hour or day. Empty: the account’s rate.",
    )
    concurrency = forms.IntegerField(
        label="Tasks at once",
        required=False,
        min_value=1,
        max_value=fields.MOST_AT_ONCE,
        help_text="Unfinished tasks of this key. Empty: as many as the account may have.",
    )
    budget = forms.CharField(
        required=False,
        max_length=30,
        widget=forms.TextInput(attrs={"placeholder": "$5.00", "inputmode": "decimal"}),
        help_text="Empty: all there is.",
    )
    budget_period = forms.ChoiceField(label="Begins anew", required=False, choices=list(PERIODS.items()))

    new: NewKey

    def __init__(self, *args: Any, models: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.initial.get("models", [])  # one that is not on sale any more
        self.fields["models"].choices = [(name, name) for name in dict.fromkeys([*models, *kept])]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        body = {name: value for name, value in cleaned.items() if value}
        body["cidrs"] = cleaned.get("cidrs", "").split()
        if self.errors:
            return cleaned
        try:
            self.new = fields.read(body)
        except ValidationFailed as failed:
            for name, fault in failed.fields.items():
                self.add_error(name, f"This {fault}.")
        return cleaned

    @property
    def is_advanced(self) -> bool:
        """Whether anything but the name and the expiry is filled in or at fault."""
        plain = ("name", "expires")
        return any(self[name].errors or self[name].value() for name in self.fields if name not in plain)


class ChangedKeyForm(KeyForm):
    """Everything but the expiry, which a key has from the beginning."""

    expires = None  # type: ignore[assignment]

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        initial = {
            "name": key.name,
            "scopes": key.scopes,
            "models": key.allowed_models,
            "cidrs": "\n".join(key.cidrs),
            "rate": rate_text(key) or "",
            "concurrency": key.concurrency,
            "budget": "" if key.budget is None else money.short(key.budget),
            "budget_period": key.budget_period,
        }
        super().__init__(*args, initial=initial, **kwargs)


class InviteForm(Sheet):
    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(initial=Role.DEVELOPER)

    def __init__(self, *args: Any, by: Member, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = roles_to_give(by)  # type: ignore[attr-defined]


def roles_to_give(by: Member) -> list[tuple[str, str]]:
    """Only owners make owners."""
    return [(role.value, role.value) for role in Role if role != Role.OWNER or by.role == Role.OWNER]


class SpendingForm(Sheet):
    monthly_cap = money.DollarsInput(
        least=1,
        most=fields.MOST_BUDGET,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "no cap", "inputmode": "decimal", "maxlength": 30}),
        help_text="What live tasks may cost in a calendar month (UTC). Beyond it new tasks are refused. Owners get"
        " a mail at 50, 80 and 100 %. Empty: no cap.",
    )
    low_balance = money.DollarsInput(
        label="Low balance",
        least=1,
        most=fields.MOST_BUDGET,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "no mail", "inputmode": "decimal", "maxlength": 30}),
        help_text="Owners get a mail when less than this is left in the live wallet. Empty: no mail.",
    )


class NamesForm(Sheet):
    name = forms.CharField(label="Account name", max_length=254)
    billing_name = forms.CharField(
        label="Name on statements", required=False, max_length=200, help_text="Your company, as it stands on papers."
    )
    vat_number = forms.CharField(label="VAT number", required=False, max_length=40)


class PrivacyForm(Sheet):
    retention_days = forms.IntegerField(label="Keep pictures for so many days", required=False, min_value=1)
    zero_retention = forms.BooleanField(label="Do not keep prompts and results", required=False)

    def __init__(self, *args: Any, most: int, **kwargs: Any) -> None:
        """`most` is for how many days the installation keeps them."""
        super().__init__(*args, **kwargs)
        days = self.fields["retention_days"]
        days.help_text = f"From 1 to {most}. Empty: {most}. For tasks made from now on."
        days.widget.attrs |= {"max": most, "placeholder": most}
        days.validators.append(MaxValueValidator(most))
