"""What a piece of scarce stock is worth to the orders that are still to come.

The last pieces of a SKU at a centre let a later order ship whole from there. If the stock of all centres is expected
to be sold by `cover` before more comes, evenly over the centres that have some, the piece that would go now is missed
with the probability that so many are asked for: a Poisson tail, as in the news vendor's problem. Its worth is that
share of a cap.
"""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache

_PLENTY = 60  # pieces at one centre: by then the next one is worth nothing to speak of
# Decimals, since exp() of floats differs in the last bit from one C library to another.
_CONTEXT = Context(prec=28)


def price_minor(pieces: int, total: int, centres: int, cover_percent: int, cap_minor: int) -> int:
    """Of each piece taken where `pieces` are left, of `total` at so many `centres` that have any."""
    if not cap_minor or pieces <= 0 or pieces > _PLENTY:
        return 0
    return _price(pieces, min(total, _PLENTY * centres) * cover_percent // centres, cap_minor)


@lru_cache(maxsize=100_000)
def _price(pieces: int, expected_hundredths: int, cap_minor: int) -> int:
    expected = Decimal(expected_hundredths).scaleb(-2)
    exactly = _CONTEXT.exp(-expected)
    fewer = Decimal(0)
    for asked in range(pieces):
        fewer = _CONTEXT.add(fewer, exactly)
        exactly = _CONTEXT.divide(_CONTEXT.multiply(exactly, expected), Decimal(asked + 1))
    return int(cap_minor * max(Decimal(0), 1 - fewer))
