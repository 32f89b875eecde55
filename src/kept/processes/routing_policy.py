"""The routing policy that kept.toml describes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from kept.domain.routing import Band, CentreProfile, Lane, Override, RoutingPolicy, Rule, Service
from kept.domain.routing.policy import EVERY_DAY, PARTS_MAX
from kept.settings import Business, CentreSettings, RoutingSettings, RuleSettings, ServiceSettings, SettingsError

# The same years for whoever reads the file whenever, so that a policy's hash does not change with the date.
_YEARS = range(2024, 2041)


def routing_policy(business: Business) -> RoutingPolicy:
    """Raises SettingsError naming the value that is impossible."""
    routing = business.routing
    if not 1 <= routing.parts_max <= PARTS_MAX:
        raise SettingsError(f"routing.parts_max is {routing.parts_max}; it is 1 to {PARTS_MAX}")
    _not_negative(
        "routing",
        split_minor=routing.split_minor,
        late_day_minor=routing.late_day_minor,
        scarcity_cap_minor=routing.scarcity_cap_minor,
        scarcity_cover_percent=routing.scarcity_cover_percent,
    )
    return RoutingPolicy(
        name=routing.name,
        centres=tuple(_profile(name, centre) for name, centre in sorted(business.centres.items())),
        currency=routing.currency,
        parts_max=routing.parts_max,
        split_minor=routing.split_minor,
        late_day_minor=routing.late_day_minor,
        scarcity_cap_minor=routing.scarcity_cap_minor,
        scarcity_cover_percent=routing.scarcity_cover_percent,
        rules=_rules(routing, business.centres),
    )


def _rules(routing: RoutingSettings, centres: Iterable[str]) -> tuple[Rule, ...]:
    for rule in routing.rules:
        unknown = sorted({*rule.only_centres, *rule.not_centres} - set(centres))
        if unknown:
            raise SettingsError(f"routing.rules {rule.name!r} names the centre {unknown[0]!r}, which there is not")
        if not (rule.only_centres or rule.not_centres or rule.only_services):
            raise SettingsError(
                f"routing.rules {rule.name!r} says nothing: set only_centres, not_centres, only_services"
            )
    return tuple(_rule(rule) for rule in routing.rules)


def _rule(rule: RuleSettings) -> Rule:
    return Rule(
        rule.name,
        rule.skus,
        rule.accounts,
        rule.countries,
        rule.only_centres,
        rule.not_centres,
        rule.only_services,
    )


def _profile(name: str, centre: CentreSettings) -> CentreProfile:
    place = f"centres.{name}"
    try:
        timezone = ZoneInfo(centre.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"{place}.timezone: {error}") from error
    _not_negative(
        place,
        handling_days=centre.handling_days,
        capacity_pieces=centre.capacity_pieces,
        order_minor=centre.order_minor,
        piece_minor=centre.piece_minor,
    )
    return CentreProfile(
        name=name,
        country=centre.address.country,
        timezone=timezone,
        cutoff=_wall_time(f"{place}.cutoff", centre.cutoff),
        handling_days=centre.handling_days,
        working_days=_week(f"{place}.working_days", centre.working_days),
        services=tuple(_service(f"{place}.services.{each.name}", each) for each in centre.services),
        postal_code=centre.address.postal_code,
        holidays=(_public_holidays(place, centre.holidays) | set(centre.closed)) - set(centre.open),
        capacity_pieces=centre.capacity_pieces,
        order_minor=centre.order_minor,
        piece_minor=centre.piece_minor,
    )


def _service(place: str, service: ServiceSettings) -> Service:
    _not_negative(place, base_minor=service.base_minor, per_kg_minor=service.per_kg_minor)
    bounds = [band.up_to_km for band in service.bands]
    if bounds != sorted(set(bounds)):
        raise SettingsError(f"{place}.bands go up to {bounds} km: write them from near to far")
    abroad = service.international_days
    return Service(
        name=service.name,
        domestic=_lane(place, service.domestic_days, service.base_minor, service.per_kg_minor),
        international=_lane(place, abroad, service.international_base_minor, service.per_kg_minor),
        bands=tuple(
            Band(band.up_to_km, Lane(_days(place, band.days), band.base_minor, band.per_kg_minor))
            for band in service.bands
        ),
        overrides=tuple(
            Override(
                each.country.upper(),
                each.postal_prefix.upper(),
                _lane(place, each.days, each.base_minor, each.per_kg_minor),
            )
            for each in service.overrides
        ),
        cutoff=_wall_time(f"{place}.cutoff", service.cutoff) if service.cutoff else None,
        pickup_days=_week(f"{place}.pickup_days", service.pickup_days),
        carrying_days=_week(f"{place}.carrying_days", service.carrying_days),
    )


def _lane(place: str, days: int | None, base_minor: int, per_kg_minor: int) -> Lane | None:
    return Lane(_days(place, days), base_minor, per_kg_minor) if days is not None else None


def _days(place: str, days: int) -> int:
    if not 0 <= days <= 365:
        raise SettingsError(f"{place}: {days} days on the way; it is 0 to 365")
    return days


def _public_holidays(place: str, whose: str) -> frozenset[date]:
    """The days of a country, or of a part of one, as the library `holidays` knows them."""
    if not whose:
        return frozenset()
    country, _, part = whose.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=_YEARS))
    except NotImplementedError as error:
        raise SettingsError(f"{place}.holidays is {whose!r}: no holidays of it are known") from error


def _week(place: str, days: Iterable[int]) -> frozenset[int]:
    week = frozenset(days)
    if not week or not week <= EVERY_DAY:
        raise SettingsError(f"{place} is {sorted(week)}: it is days of a week, 0 (Monday) to 6, at least one")
    return week


def _wall_time(place: str, text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from error


def _not_negative(place: str, **values: int) -> None:
    for name, value in values.items():
        if value < 0:
            raise SettingsError(f"{place}.{name} is {value}; it is 0 or more")
