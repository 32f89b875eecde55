"""Reading `[... .options]` of kept.toml, which only one type of connector knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kept.settings import SettingsError


def only(setting: str, given: Mapping[str, str], required: Sequence[str], known: Collection[str]) -> None:
    """Raises SettingsError naming the option that is unknown, or required and empty."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(f"{setting}.{unknown[0]} is not known; known are {', '.join(sorted(known))}")
    for name in required:
        if not given.get(name):
            raise SettingsError(f"{setting}.{name} is not set")


def filled(
    setting: str, given: Mapping[str, str], required: Sequence[str], defaults: Mapping[str, str]
) -> dict[str, str]:
    """All options, by their names. Raises as `only`."""
    only(setting, given, required, {*required, *defaults})
    optional = {name: given.get(name) or default for name, default in defaults.items()}
    return {name: given[name] for name in required} | optional


def several(text: str) -> list[str]:
    """ "a, b" as a list."""
    return [part for part in (part.strip() for part in text.split(",")) if part]


def by_currency(setting: str, text: str) -> dict[str, str]:
    """ "EUR=4, USD=1" as a mapping. Raises SettingsError."""
    found = {}
    for part in several(text):
        currency, _, value = (piece.strip() for piece in part.partition("="))
        if len(currency) != 3 or not value:
            raise SettingsError(f"{setting}: {part!r} is not written CURRENCY=ID, EUR=4")
        found[currency.upper()] = value
    return found
