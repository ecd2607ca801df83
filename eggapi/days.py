"""Days: what lists for people are narrowed down to."""

from datetime import UTC, datetime, time

from django import forms


class Day(forms.DateInput):
    input_type = "date"


class DaysForm(forms.Form):
    """From which day to which one, in UTC, both inclusive."""

    since = forms.DateField(required=False, input_formats=["%Y-%m-%d"], label="From (UTC)", widget=Day)
    until = forms.DateField(required=False, input_formats=["%Y-%m-%d"], label="To (UTC)", widget=Day)

    def period(self) -> dict[str, datetime]:
        """Lookups of what was understood."""
        lookups = {}
        if since := self.cleaned_data.get("since"):
            lookups["created_at__gte"] = datetime.combine(since, time.min, UTC)
        if until := self.cleaned_data.get("until"):
            lookups["created_at__lte"] = datetime.combine(until, time.max, UTC)
        return lookups
