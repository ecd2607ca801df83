"""What the terms of a key forbid. A dashboard session has none of these, and may do everything."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from accounts.caller import Caller
from eggapi import ratelimit
from eggapi.errors import Forbidden


def require_scope(caller: Caller, scope: str) -> None:
    """Raises Forbidden."""
    if caller.terms.scopes and scope not in caller.terms.scopes:
        raise Forbidden(f"This API key does not have the scope {scope}.")


def require_model(caller: Caller, model: str) -> None:
    """Raises Forbidden."""
    if caller.terms.allowed_models and model not in caller.terms.allowed_models:
        raise Forbidden(f"This API key may not use the model {model}.")


def require_address(caller: Caller, request: HttpRequest) -> None:
    """Raises Forbidden."""
    if caller.terms.cidrs and not _lies_in(ratelimit.client_ip(request), caller.terms.cidrs):
        raise Forbidden("This API key may not be used from this address.")


def _lies_in(text: str, cidrs: Iterable[str]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ip_network(cidr) for cidr in cidrs)
