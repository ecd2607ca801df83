"""What people fill in about their webhooks."""

from datetime import UTC, datetime

from django import forms
from django.db.models import Q

from eggapi import ids
from eggapi.addresses import MAX_URL_LENGTH, BadUrl, check_url
from eggapi.days import DaysForm
from webhooks import secrets, selection
from webhooks.models import Delivery, Event

MINUTE = "%Y-%m-%dT%H:%M"


class Moment(forms.DateTimeInput):
    input_type = "datetime-local"


class DeliveryFilter(DaysForm):
    """Which deliveries to show."""

    q = forms.RegexField(
        rf"\A({ids.TASK_ID.pattern}|{ids.EVENT_ID.pattern})\Z",
        required=False,
        label="Task or event id",
        error_messages={"invalid": "Give a whole id, gen_... or msg_..."},
    )
    state = forms.ChoiceField(required=False, choices=[("", "Any"), *Delivery.State.choices])
    answer = forms.ChoiceField(required=False, choices=[("", "Any"), *selection.ANSWERS.items()])
    type = forms.ChoiceField(required=False, choices=[("", "Any"), *Event.Type.choices])
    host = forms.CharField(required=False, max_length=MAX_URL_LENGTH, label="Receiver")

    def conditions(self, account_id: int, mode: str) -> list[Q]:
        """What was understood, of the deliveries of an account in a mode."""
        read = self.cleaned_data
        found: list[Q] = []
        if text := read.get("q"):
            found.append(Q(event=text) if ids.EVENT_ID.fullmatch(text) else selection.of_task(text))
        if state := read.get("state"):
            found.append(selection.of_state(state))
        if answer := read.get("answer"):
            found.append(selection.of_answer(answer))
        if kind := read.get("type"):
            found.append(selection.of_type(account_id, mode, kind))
        if host := read.get("host"):
            found.append(selection.of_host(host))
        if period := self.period():
            found.append(Q(**period))
        return found


class SendTestForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=MAX_URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks/eggapi", "spellcheck": "false"}),
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except BadUrl as fault:
            raise forms.ValidationError(str(fault)) from None
        return url


class RecoverForm(forms.Form):
    since = forms.DateTimeField(
        label="Since (UTC)", input_formats=[MINUTE, f"{MINUTE}:%S"], widget=Moment(format=MINUTE, attrs={"step": "60"})
    )

    def clean_since(self) -> datetime:
        since: datetime = self.cleaned_data["since"]
        try:
            return since.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError("Enter a valid date/time.") from None


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        label="The old secret signs along",
        choices=[(name, "not at all" if name == "now" else f"for {name}") for name in secrets.OVERLAPS],
        initial=secrets.OVERLAP,
    )
