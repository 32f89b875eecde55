"""Money as integer minor units, and the arithmetic that keeps parts summing to the whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

# ISO 4217 list one: only currencies whose exponent is not 2 need a row.
_EXPONENTS_OTHER_THAN_TWO = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}

# 10^15 minor units is far above any order and far below the 2^63 of a bigint column.
AMOUNT_MINOR_MAX = 10**15
# Twice the digits of the largest amount: room for trailing zeros, and little work for a hostile sender.
_AMOUNT_CHARS_MAX = 32
# No exponent, no underscore, no blank: Python's own number readers let all of them pass.
_PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")


class MoneyError(ValueError):
    """An amount that is no amount of its currency."""


def exponent(currency: str) -> int:
    """Digits after the decimal point in `currency` (ISO 4217): 0 for JPY, 2 for USD, 3 for KWD."""
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise MoneyError(f"currency {currency!r} is not a three-letter ISO 4217 code in capitals")
    return _EXPONENTS_OTHER_THAN_TWO.get(currency, 2)


def to_minor(amount: str, currency: str) -> int:
    """The integer minor units of a decimal string: `to_minor("10.50", "USD") == 1050`.

    Raises MoneyError for what is not a plain decimal number, for more digits than the currency has
    (unless they are zeros: channels send "398.0000"), and beyond AMOUNT_MINOR_MAX.
    """
    digits = exponent(currency)
    if len(amount) > _AMOUNT_CHARS_MAX:
        raise MoneyError(f"amount of {len(amount)} characters is not a decimal number")
    if not _PLAIN_NUMBER.fullmatch(amount):
        raise MoneyError(f"amount {amount!r} is not a decimal number")
    whole, _, decimals = amount.partition(".")
    if decimals[digits:].strip("0"):
        raise MoneyError(f"amount {amount!r} has more than the {digits} decimals of {currency}")
    all_digits = f"{whole}{decimals[:digits]:0<{digits}}"
    minor = int(all_digits) if all_digits.strip("+-") else 0  # ".0" of a currency without decimals leaves none
    if abs(minor) > AMOUNT_MINOR_MAX:
        raise MoneyError(f"amount {amount!r} {currency} is beyond {AMOUNT_MINOR_MAX} minor units")
    return minor


def to_decimal_string(minor: int, currency: str) -> str:
    """The decimal string of minor units: `to_decimal_string(1050, "USD") == "10.50"`."""
    digits = exponent(currency)
    if digits == 0:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}"


def allocate(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Split an amount over weights by largest remainder, so that the parts sum to the whole.

    Ties go to the earlier part. Weights that are all zero share equally. Raises MoneyError on a
    negative weight or on no weights at all.
    """
    if not weights or min(weights) < 0:
        raise MoneyError("allocation needs at least one weight and none below zero")
    effective = list(weights) if any(weights) else [1] * len(weights)
    whole = sum(effective)
    sign = -1 if total_minor < 0 else 1
    floors, remainders = [], []
    for index, weight in enumerate(effective):
        floor, remainder = divmod(abs(total_minor) * weight, whole)
        floors.append(floor)
        remainders.append((-remainder, index))
    missing = abs(total_minor) - sum(floors)
    for _, index in sorted(remainders)[:missing]:
        floors[index] += 1
    return [sign * part for part in floors]
