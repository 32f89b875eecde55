"""Who may ask: with an API key configured, its bearer; without one, this machine only."""

from __future__ import annotations

import hmac
import ipaddress

from fastapi import Request

from kept.api.problems import Problem


def require_operator(request: Request) -> str:
    """The caller's name for the audit log. Raises Problem 401 or 403."""
    key = request.app.state.services.settings.api_key.reveal()
    host = request.client.host if request.client else ""
    if not key:
        if not _is_loopback(host):
            raise Problem(403, "Forbidden", "Set KEPT_API_KEY to use this API from other machines.")
        return "local"
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise Problem(401, "Not authenticated", "Send the API key as a bearer token.")
    return "api key"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
