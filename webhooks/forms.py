"""What people fill in about their webhooks."""

from datetime import UTC, datetime, time

from django import forms
from django.db.models import Q

from eggapi import ids
from eggapi.addresses import MAX_URL_LENGTH, BadUrl, check_url
from webhooks import secrets, selection
from webhooks.models import Delivery, Event

MINUTE = "%Y-%m-%dT%H:%M"


class Day(forms.DateInput):
    input_type = "date"


class Moment(forms.DateTimeInput):
    input_type = "datetime-local"


class DeliveryFilter(forms.Form):
    """Which deliveries to show. Days are in UTC, both inclusive."""

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
    since = forms.DateField(required=False, input_formats=["%Y-%m-%d"], label="From (UTC)", widget=Day)
    until = forms.DateField(required=False, input_formats=["%Y-%m-%d"], label="To (UTC)", widget=Day)

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
        if since := read.get("since"):
            found.append(Q(created_at__gte=datetime.combine(since, time.min, UTC)))
        if until := read.get("until"):
            found.append(Q(created_at__lte=datetime.combine(until, time.max, UTC)))
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
