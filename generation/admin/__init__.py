"""The operators' pages of what is sold, where it is bought, and what became of tasks."""

from generation.admin import models, providers, routes, switches, work

__all__ = ["models", "providers", "routes", "switches", "work"]
