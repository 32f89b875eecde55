"""Phone numbers as channels write them -> E.164, so that every ERP, centre and carrier reads the same number.

An extension stands behind the number as RFC 3966 (5.3) writes it: `+12078354259;ext=31141`. E.164 has none, an
address has one field for both, and without it nobody reaches the buyer behind a number that Amazon masks.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

# Of one order the same phone is read again with each webhook, poll and fetch, mostly within minutes: room for what
# some hours bring, about 2 MB. The entries are personal data: they stand in this process' memory alone, and are
# neither logged nor written.
_CACHE_ENTRIES_MAX = 8192

# E.164 has 15 digits, an extension up to 20 more: with separators and words, far below this. Longer is a note.
_LENGTH_MAX = 100

# In North America's plan (country code 1, ten digits) this form has nothing left to take off: parsed, it would come
# out as it went in, whether it is possible (then it is E.164) or not (then it is kept).
_NORTH_AMERICAN = re.compile(r"\+1[2-9][0-9]{9}")

# The words that a number may have. A second number, a name or a note would be lost in E.164, so with any other
# word the text is kept; so is a vanity number ("1-800-FLOWERS"), whose letters are more likely to be a note.
_WORDS = re.compile(r"^tel:|extension|extn|ext|x", re.IGNORECASE)
# Where phonenumbers leaves off reading without saying so: before a second number and before a parameter of a URI.
_CUT_SHORT = re.compile(r"[/\\]\s*x|;(?!\s*ext)|[/,&]\s*\+", re.IGNORECASE)


def e164(text: str, country: str) -> str:
    """`text` in E.164, or as it was written, stripped, if it can't be read for certain. Pure; raises nothing.

    `country` (ISO 3166-1 alpha-2, of the address) tells whose national form it is; "" or an unknown one tells
    nothing, and then only international numbers are read. Those need to be *possible* (their country's lengths):
    numbering plans grow faster than libraries. A national form has to be *valid*, since its country is our
    conclusion and not the buyer's. A foreigner's national form that is by chance valid at the address too can't be
    told from a native's; the raw message still has what was written.
    """
    stripped = text.strip()
    if not stripped or _NORTH_AMERICAN.fullmatch(stripped):
        return stripped
    return _read(stripped, country)


@lru_cache(maxsize=_CACHE_ENTRIES_MAX)
def _read(text: str, country: str) -> str:
    if len(text) > _LENGTH_MAX or _CUT_SHORT.search(text) or any(map(str.isalpha, _WORDS.sub("", text))):
        return text
    number = _parsed(text, country)
    if number is None:
        return text
    form = _form(number)
    if _valid(number, country):
        return form
    international = text.removeprefix("tel:").lstrip(" (")[:1] in ("+", "\uff0b")
    if not international or not phonenumbers.is_possible_number(number):
        return text
    # A number outside its country's plan may begin with what reads like a prefix, and would shrink at each reading.
    return form if _parsed(form, country) == number else text


def _parsed(text: str, country: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country or None)
    except NumberParseException:
        return None


def _valid(number: PhoneNumber, country: str) -> bool:
    """In its country's plan. The address' own country is asked first: some two dozen share country code 1."""
    return phonenumbers.is_valid_number_for_region(number, country) or phonenumbers.is_valid_number(number)


def _form(number: PhoneNumber) -> str:
    form = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{form};ext={number.extension}" if number.extension else form
