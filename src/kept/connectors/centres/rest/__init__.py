"""A fulfilment centre that speaks our open REST contract (`docs/contracts/centre.openapi.yaml`)."""

from __future__ import annotations

from kept.connectors.centres.rest.client import RestCentre
from kept.connectors.centres.rest.mapping import read_event
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import bearer, required, webhook_secrets
from kept.connectors.signatures import StandardVerify, standard_identity
from kept.ports import Centre
from kept.settings import CentreSettings


def build(name: str, settings: CentreSettings, targets: HttpTargets) -> Centre:
    """The centre `name` of kept.toml. Raises SettingsError for a missing address or secret."""
    target = targets.open(
        f"centre:{name}",
        required(f"centres.{name}.base_url", settings.base_url),
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=bearer(f"centres.{name}.token", settings.token),
    )
    centre = RestCentre(target)
    return Centre(
        name=name,
        verify=StandardVerify(webhook_secrets(f"centres.{name}.webhook_secrets", settings.webhook_secrets)),
        identify=standard_identity,
        read_event=read_event,
        requests=centre,
        intercepts=centre,
        stock=centre,
    )
