"""Our numbers of an order's lines, kept over revisions in which the channel lists them otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kept.domain.order import OrderContent, OrderLine
from kept.domain.values import changed


def numbering(known: OrderContent, content: OrderContent, last: int) -> tuple[int, ...]:
    """Our numbers of `content`'s lines, in its order: those that the same lines have in `known`, else above `last`.

    A line is the same if the channel's id and the SKU are: a line whose SKU was exchanged is another one, and a
    kit's components share its id. Of several alike the first is the first.
    """
    free: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in known.lines:
        free[_identity(line)].append(line.line_no)
    last = max(last, *(line.line_no for line in known.lines)) if known.lines else last
    numbers: list[int] = []
    for line in content.lines:
        same = free[_identity(line)]
        if same:
            numbers.append(same.pop(0))
        else:
            last += 1
            numbers.append(last)
    return tuple(numbers)


def renumbered(content: OrderContent, numbers: Sequence[int]) -> OrderContent:
    """`content` with these numbers for its lines; no numbers leave it as the channel numbered it."""
    if not numbers:
        return content
    lines = zip(content.lines, numbers, strict=True)
    return changed(content, lines=tuple(changed(line, line_no=number) for line, number in lines))


def _identity(line: OrderLine) -> tuple[str, str]:
    return line.external_id, line.sku
