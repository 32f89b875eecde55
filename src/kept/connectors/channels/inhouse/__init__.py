"""In-house systems: orders in our own JSON, by signed webhook (Standard Webhooks) or REST; shipments under a key."""

from __future__ import annotations

from dataclasses import replace

from kept.connectors.channel_type import ChannelType
from kept.connectors.channels.inhouse.client import InhouseAcknowledge, InhouseCancel, InhouseConfirm, InhouseStock
from kept.connectors.channels.inhouse.files import messages_of_file, read_file
from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import bearer, tokens, webhook_secrets
from kept.connectors.signatures import BearerVerify, NoSignature, StandardVerify, standard_identity
from kept.ports import Channel, Verify
from kept.settings import ChannelSettings


def build(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The in-house account `name` of kept.toml; without a base_url there is nobody to tell anything.

    Raises SettingsError for a missing secret.
    """
    channel = Channel(
        account=name,
        verify=_verify(name, settings),
        identify=standard_identity,
        normalise=normalise,
        confirm=None,
        admit=BearerVerify(tokens(f"channels.{name}.intake_tokens", settings.intake_tokens)),
    )
    if not settings.base_url:
        return channel
    target = targets.open(
        f"channel:{name}",
        settings.base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=bearer(f"channels.{name}.token", settings.token),
    )
    return replace(
        channel,
        confirm=InhouseConfirm(target),
        acknowledge=InhouseAcknowledge(target),
        cancel=InhouseCancel(target),
        push_stock=InhouseStock(target, settings.location),
    )


def _verify(name: str, settings: ChannelSettings) -> Verify:
    """Whoever has tokens to post with, or a folder to drop files into, needs no secret to sign with."""
    if (settings.intake_tokens or settings.drop_folder) and not settings.webhook_secrets:
        return NoSignature()
    return StandardVerify(webhook_secrets(f"channels.{name}.webhook_secrets", settings.webhook_secrets))


TYPE = ChannelType(build, normalise, messages_of_file, read_file)
