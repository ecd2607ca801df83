"""The operators' pages of what is sold, where it is bought, and what became of tasks."""

from generation.admin import providers, routes, switches, work

__all__ = ["providers", "routes", "switches", "work"]
