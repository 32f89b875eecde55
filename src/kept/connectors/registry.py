"""All connectors: the types that kept.toml may name. Adding a vendor is one folder and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kept.connectors.centres import rest as rest_centre
from kept.connectors.channel_type import ChannelType
from kept.connectors.channels import amazon, inhouse, shopify, walmart
from kept.connectors.erps import business_central, erpnext, netsuite, odoo, sap_s4, tryton
from kept.connectors.erps import rest as rest_erp
from kept.connectors.http import HttpTargets
from kept.connectors.traffic import Shared
from kept.connectors.warehouse_stock import WarehouseStock
from kept.ports import Centre, Channel, Erp
from kept.settings import Business, CentreSettings, ChannelSettings, ErpSettings, SettingsError

CHANNELS: dict[str, ChannelType] = {
    "amazon": amazon.TYPE,
    "inhouse": inhouse.TYPE,
    "shopify": shopify.TYPE,
    "walmart": walmart.TYPE,
}
ERPS: dict[str, Callable[[str, ErpSettings, HttpTargets], Erp]] = {
    "business_central": business_central.build,
    "erpnext": erpnext.build,
    "netsuite": netsuite.build,
    "odoo": odoo.build,
    "rest": rest_erp.build,
    "sap_s4": sap_s4.build,
    "tryton": tryton.build,
}
CENTRES: dict[str, Callable[[str, CentreSettings, HttpTargets], Centre]] = {
    "rest": rest_centre.build,
}


@dataclass(frozen=True, slots=True)
class Connectors:
    """Everything outside that kept.toml names, by its name there."""

    channels: Mapping[str, Channel]
    erps: Mapping[str, Erp]
    centres: Mapping[str, Centre]
    targets: HttpTargets

    async def aclose(self) -> None:
        """Close the connections."""
        await self.targets.aclose()


def build_connectors(business: Business, shared: Shared | None = None) -> Connectors:
    """A connector for each entry of kept.toml. Makes no call. Raises SettingsError.

    `shared` is what the processes of an installation share; without it, this one has every quota for itself.
    """
    targets = HttpTargets(shared=shared)
    erps = {name: build_erp(name, each, targets) for name, each in business.erps.items()}
    centres = {name: build_centre(name, each, targets) for name, each in business.centres.items()}
    return Connectors(
        channels={name: build_channel(name, each, targets) for name, each in business.channels.items()},
        erps=erps,
        centres=centres | _counted_by_books(business.erps, erps, centres),
        targets=targets,
    )


def _counted_by_books(
    settings: Mapping[str, ErpSettings], erps: Mapping[str, Erp], centres: Mapping[str, Centre]
) -> dict[str, Centre]:
    """The centres whose stock an ERP's warehouse tells. Raises SettingsError for one that can't be."""
    found: dict[str, Centre] = {}
    for name, erp in settings.items():
        for centre, warehouse in erp.warehouses.items():
            place = f"erps.{name}.warehouses"
            if centre not in centres:
                raise SettingsError(f"{place} names the centre {centre!r}; known are {', '.join(sorted(centres))}")
            port = erps[name].warehouses
            if port is None:
                raise SettingsError(f"{place}: this ERP does not tell what its warehouses have")
            found[centre] = replace(centres[centre], stock=WarehouseStock(port, warehouse))
    return found


def build_channel(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The channel account `name`. Raises SettingsError, also for an unknown type."""
    _known("channels", name, settings.type, CHANNELS)
    return CHANNELS[settings.type].build(name, settings, targets)


def build_erp(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name`. Raises SettingsError, also for an unknown type."""
    _known("erps", name, settings.type, ERPS)
    return ERPS[settings.type](name, settings, targets)


def build_centre(name: str, settings: CentreSettings, targets: HttpTargets) -> Centre:
    """The centre `name`. Raises SettingsError, also for an unknown type."""
    _known("centres", name, settings.type, CENTRES)
    return CENTRES[settings.type](name, settings, targets)


def _known(section: str, name: str, kind: str, types: Mapping[str, object]) -> None:
    if kind not in types:
        raise SettingsError(f"{section}.{name}.type is {kind!r}; known are {', '.join(sorted(types))}")
