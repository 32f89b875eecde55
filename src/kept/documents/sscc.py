"""The Serial Shipping Container Code of a carton (GS1 General Specifications, application identifier 00)."""

from __future__ import annotations


def check_digit(digits: str) -> int:
    """The GS1 mod-10 check digit of a number without it (GS1 General Specifications, 7.9).

    Weights 3 and 1 alternate from the right, beginning with 3. Raises ValueError for anything but digits.
    """
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"{digits!r} is not a number of digits")
    return -(3 * sum(map(int, digits[::-2])) + sum(map(int, digits[-2::-2]))) % 10


def sscc(company_prefix: str, extension: int, serial: int) -> str:
    """The 18 digits of an SSCC: extension digit, GS1 company prefix, serial reference, check digit.

    Raises ValueError when the prefix is not 4 to 12 digits, the extension is not one digit, or the serial
    does not fit into the 16 digits that it shares with the prefix.
    """
    if not (company_prefix.isascii() and company_prefix.isdecimal() and 4 <= len(company_prefix) <= 12):
        raise ValueError(f"company prefix {company_prefix!r} must be 4 to 12 digits, as GS1 assigned it")
    if not 0 <= extension <= 9:
        raise ValueError(f"extension {extension} must be one digit, 0 to 9")
    width = 16 - len(company_prefix)
    if not 0 <= serial < 10**width:
        raise ValueError(
            f"serial {serial} does not fit into the {width} digits beside prefix {company_prefix};"
            " use the next extension digit or another prefix"
        )
    digits = f"{extension}{company_prefix}{serial:0{width}d}"
    return f"{digits}{check_digit(digits)}"


def is_valid_sscc(number: str) -> bool:
    """Whether these are 18 digits with the right check digit."""
    return len(number) == 18 and number.isascii() and number.isdecimal() and check_digit(number[:17]) == int(number[17])
