"""GS1-128: Code 128 in set C with FNC1 first (ISO/IEC 15417; GS1 General Specifications, 5.4)."""

from __future__ import annotations

from functools import cache

# Widths of bars and spaces of the symbol characters 0 to 105, and the stop character (ISO/IEC 15417, table 1).
_WIDTHS = (  # noqa: SIM905 - one literal a code would take a hundred lines
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 "
    "113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 "
    "212123 212321 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 "
    "113123 113321 133121 313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 "
    "314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 "
    "241211 221114 413111 241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 "
    "214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412 211214 "
    "211232"
).split()
_STOP = "2331112"
_START_C, _FNC1 = 105, 102
MODULES_PER_CHARACTER = 11
STOP_MODULES = 13


def symbol_values(digits: str) -> list[int]:
    """Symbol characters of an element string of digits: Start C, FNC1, digit pairs, check character.

    Raises ValueError unless there is an even number of digits.
    """
    if not digits or len(digits) % 2 or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"set C encodes an even number of digits, not {digits!r}")
    values = [_START_C, _FNC1, *(int(digits[i : i + 2]) for i in range(0, len(digits), 2))]
    check = (values[0] + sum(place * value for place, value in enumerate(values[1:], start=1))) % 103
    return [*values, check]


def module_count(digits: str) -> int:
    """The symbol's width in modules, without quiet zones."""
    return (len(digits) // 2 + 3) * MODULES_PER_CHARACTER + STOP_MODULES


@cache
def bars(value: int) -> tuple[tuple[int, int], ...]:
    """Bars of a symbol character (-1: the stop) as (offset, width) in modules."""
    widths = _STOP if value == -1 else _WIDTHS[value]
    offset, found = 0, []
    for place, width in enumerate(map(int, widths)):
        if place % 2 == 0:
            found.append((offset, width))
        offset += width
    return tuple(found)
