"""In-house systems: orders in our own JSON, signed by Standard Webhooks; shipments told under a key."""

from __future__ import annotations

from kept.connectors.channel_type import ChannelType
from kept.connectors.channels.inhouse.client import InhouseConfirm
from kept.connectors.channels.inhouse.files import messages_of_file
from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import bearer, webhook_secrets
from kept.connectors.signatures import StandardVerify, standard_identity
from kept.ports import Channel
from kept.settings import ChannelSettings


def build(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The in-house account `name` of kept.toml; without a base_url there is nobody to tell of shipments.

    Raises SettingsError for a missing secret.
    """
    confirm = None
    if settings.base_url:
        target = targets.open(
            f"channel:{name}",
            settings.base_url,
            timeout_s=settings.timeout_s,
            requests_at_once=settings.requests_at_once,
            headers=bearer(f"channels.{name}.token", settings.token),
        )
        confirm = InhouseConfirm(target)
    return Channel(
        account=name,
        verify=StandardVerify(webhook_secrets(f"channels.{name}.webhook_secrets", settings.webhook_secrets)),
        identify=standard_identity,
        normalise=normalise,
        confirm=confirm,
    )


TYPE = ChannelType(build, normalise, messages_of_file)
