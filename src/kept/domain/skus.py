"""SKUs as a channel calls them and as we do: renamed, or a kit of several. Pure.

A kit is exploded into its components before anything else is decided, so that stock is checked on components
summed over the whole order. Its price, discount and tax are shared among them and still come to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kept.domain.events import Package, ShippedLine
from kept.domain.money import allocate
from kept.domain.order import OrderContent, OrderLine

SkuMap = Mapping[str, "tuple[Component, ...]"]  # by the channel's SKU


@dataclass(frozen=True, slots=True)
class Component:
    """One of our SKUs in a channel's SKU. `share` weighs its part of the price."""

    sku: str
    quantity: int = 1
    share: int = 1


def mapped(content: OrderContent, known: SkuMap, *, required: bool) -> OrderContent:
    """The content in our own SKUs. Where a mapping is `required` and missing, the line is marked as unmapped."""
    if not known and not required:
        return content
    lines: list[OrderLine] = []
    for line in content.lines:
        components = known.get(line.sku)
        if components is None:
            lines.append(replace(line, unmapped=True) if required and line.sku else line)
        elif len(components) == 1 and components[0].quantity == 1:
            lines.append(replace(line, sku=components[0].sku, channel_sku=line.channel_sku or line.sku))
        else:
            lines.extend(exploded(line, components))
    numbered = tuple(replace(line, line_no=number) for number, line in enumerate(lines, start=1))
    return replace(content, lines=numbered)


def exploded(line: OrderLine, components: Sequence[Component]) -> Iterable[OrderLine]:
    """A kit's lines. The first component is the lead: it stands for the kit when the channel is told.

    A component that is a kit itself stays one of the outer kit, of which the channel is told.
    """
    shares = [component.share for component in components]
    nets = allocate(line.unit_price_minor * line.quantity - line.discount_minor, shares)
    taxes = allocate(line.tax_minor, shares)
    weights = allocate(line.weight_g, shares)
    for index, component in enumerate(components):
        quantity = line.quantity * component.quantity
        # Rounded up, so that what is too much is a discount, and the line comes to its share exactly.
        unit_price = max(0, -(-nets[index] // quantity)) if quantity else 0
        yield replace(
            line,
            sku=component.sku,
            channel_sku=line.channel_sku or line.sku,
            quantity=quantity,
            unit_price_minor=unit_price,
            discount_minor=unit_price * quantity - nets[index],
            tax_minor=taxes[index],
            weight_g=weights[index] // component.quantity,
            kit_pieces=component.quantity * (line.kit_pieces or 1),
            kit_lead=index == 0 and (line.kit_lead or not line.kit_pieces),
        )


def unmapped(content: OrderContent) -> list[str]:
    """The channel's SKUs that have no mapping and are wanted."""
    return sorted({line.sku for line in content.lines if line.unmapped and line.quantity > 0})


def in_channel_pieces(packages: Sequence[Package], content: OrderContent) -> tuple[Package, ...]:
    """Packages as the channel counts: kits, told by their lead component, in place of components.

    Lines that the channel has dropped since are left out, for it has no id for them any more; so is a package that
    holds no whole kit and nothing else.
    """
    lines = {line.line_no: line for line in content.lines}
    all_known = all(shipped.line_no in lines for package in packages for shipped in package.lines)
    if all_known and not any(line.kit_pieces for line in content.lines):
        return tuple(packages)
    so_far: dict[int, int] = {}
    told = []
    for package in packages:
        counted = []
        for shipped in package.lines:
            line = lines.get(shipped.line_no)
            if line is None:
                continue
            if not line.kit_pieces:
                counted.append(shipped)
            elif line.kit_lead:
                before = so_far.get(line.line_no, 0)
                after = so_far[line.line_no] = before + shipped.quantity
                kits = after // line.kit_pieces - before // line.kit_pieces
                if kits:
                    counted.append(ShippedLine(shipped.line_no, line.channel_sku, kits))
        if counted:
            told.append(replace(package, lines=tuple(counted)))
    return tuple(told)
