"""How the operators' pages look: settings of django-unfold. Nothing is imported here, for settings import this."""

from typing import Any

# Of amber, as everything else of EggAPI; each with enough contrast where Unfold puts it.
YOLK = {
    "50": "oklch(98.7% .022 95.277)",
    "100": "oklch(96.2% .059 95.617)",
    "200": "oklch(92.4% .12 95.746)",
    "300": "oklch(87.9% .169 91.605)",
    "400": "oklch(82.8% .189 84.429)",
    "500": "oklch(76.9% .188 70.08)",
    "600": "oklch(51% .125 58)",
    "700": "oklch(46% .115 57)",
    "800": "oklch(41% .1 56)",
    "900": "oklch(36% .085 55)",
    "950": "oklch(27.9% .077 45.635)",
}
STONE = {
    "50": "oklch(98.5% .004 80)",
    "100": "oklch(96.5% .005 80)",
    "200": "oklch(91.5% .008 80)",
    "300": "oklch(86% .01 80)",
    "400": "oklch(70.9% .014 75)",
    "500": "oklch(53% .016 70)",
    "600": "oklch(44.4% .015 70)",
    "700": "oklch(37.4% .013 70)",
    "800": "oklch(26.8% .01 70)",
    "900": "oklch(19.5% .008 70)",
    "950": "oklch(14.7% .006 70)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "EggAPI",
    "SITE_HEADER": "EggAPI",
    "SITE_SUBHEADER": "Operations",
    "SITE_URL": "/home",
    "SITE_ICON": "/static/eggapi/mark.svg",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/eggapi/mark.svg"}],
    "STYLES": ["/static/eggapi/operating.css"],
    "ENVIRONMENT": "eggapi.operating.sidebar.environment",
    "DASHBOARD_CALLBACK": "eggapi.operating.dashboard.show",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {"base": STONE, "primary": YOLK},
    "COMMAND": {"search_models": False},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": True,
        "navigation": "eggapi.operating.sidebar.navigation",
    },
}
