"""What connectors need of the settings: addresses and secrets that must be there."""

from __future__ import annotations

from collections.abc import Sequence

from kept.settings import Secret, SettingsError, resolve_secret


def required(setting: str, value: str) -> str:
    """`value`, or SettingsError naming the setting that is empty."""
    if not value:
        raise SettingsError(f"{setting} is not set")
    return value


def token(setting: str, reference: str) -> Secret:
    """The secret behind `env:NAME` or `file:PATH`. Raises SettingsError, also for an empty one."""
    secret = resolve_secret(required(setting, reference))
    if not secret.reveal():
        raise SettingsError(f"{setting}: {reference} is empty")
    return secret


def bearer(setting: str, reference: str) -> dict[str, str]:
    """The Authorization header that carries the token behind `reference`."""
    return {"authorization": f"Bearer {token(setting, reference).reveal()}"}


def tokens(setting: str, references: Sequence[str]) -> tuple[Secret, ...]:
    """The secrets behind references, of which there may be none."""
    return tuple(token(setting, reference) for reference in references)


def webhook_secrets(setting: str, references: Sequence[str]) -> tuple[Secret, ...]:
    """All live secrets of a webhook; SettingsError when there are none, since then nothing can be verified."""
    if not references:
        raise SettingsError(f"{setting} is empty: no message could be verified")
    return tuple(token(setting, reference) for reference in references)
