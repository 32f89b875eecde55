"""The logistics label of a carton, 4 x 6 inches, as ZPL and as PDF. Pure: same content, same bytes.

Layout after the GS1 Logistic Label Guideline: ship-from and ship-to above, the order in the middle, the SSCC
as GS1-128 lowest, with its human-readable text. Characters outside Windows-1252 become "?" in the PDF, whose
built-in fonts have no others; the ZPL keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from kept.documents import code128
from kept.documents.sscc import is_valid_sscc
from kept.domain.order import Address

# ZPL at 203 dpi: 8 dots a millimetre. X = 4 dots is 0.5 mm, above the 0.495 mm that GS1 asks for.
_MODULE_DOTS: Final = 4
_BAR_HEIGHT_DOTS: Final = 264  # 33 mm; GS1 asks for 31.75 mm
_LABEL_DOTS: Final = (812, 1218)
# PDF in points, 72 an inch. X = 1.45 pt is 0.51 mm.
_MODULE_PT: Final = 1.45
_BAR_HEIGHT_PT: Final = 92.0  # 32.5 mm
_PAGE_PT: Final = (288, 432)
_BARCODE_BOTTOM_PT: Final = 34.0


@dataclass(frozen=True, slots=True)
class LogisticsLabel:
    """What a label says. `ship_by_date` is an ISO date; `lines_summary` is what fits, not a packing list."""

    sscc: str
    ship_from: Address
    ship_to: Address
    order_ref: str
    fulfilment_ref: str
    carrier_service: str
    ship_by_date: str
    lines_summary: tuple[str, ...]
    package: int
    packages: int


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of text: place in hundredths of the label's width and height from its top left, and size in points."""

    x: float
    y: float
    size: float
    text: str
    bold: bool = False


@lru_cache(maxsize=1)  # both forms of a label are made one after the other
def _texts(label: LogisticsLabel) -> Sequence[_Text]:
    """Every line of text on the label, for both forms."""
    if not is_valid_sscc(label.sscc):
        raise ValueError(f"{label.sscc!r} is not an SSCC: 18 digits with a right check digit")
    found = [_Text(4, 4, 7, "FROM", bold=True)]
    found += [_Text(4, 6.6 + 2.2 * n, 7, text[:60]) for n, text in enumerate(_address(label.ship_from))]
    found.append(_Text(4, 21, 8, "SHIP TO", bold=True))
    found += [
        _Text(4, 25 + 3.6 * n, _size(text, 12), text[:48], bold=n == 0)
        for n, text in enumerate(_address(label.ship_to))
    ]
    found += [
        _Text(4, 48, 7, "ORDER", bold=True),
        _Text(4, 51, 10, label.fulfilment_ref[:40]),
        _Text(62, 48, 7, "SHIP BY", bold=True),
        _Text(62, 51, 10, label.ship_by_date),
        _Text(4, 56, 7, "SERVICE", bold=True),
        _Text(4, 59, 10, label.carrier_service[:30]),
        _Text(62, 56, 7, "CARTON", bold=True),
        _Text(62, 59, 10, f"{label.package} of {label.packages}"),
    ]
    found += [_Text(4, 63 + 2 * n, 6.5, text[:60]) for n, text in enumerate(label.lines_summary[:3])]
    return found


def _address(address: Address) -> list[str]:
    """An address as it is written on a parcel, at most six lines."""
    place = " ".join(part for part in (address.city, address.region, address.postal_code) if part)
    lines = (address.name, address.company, address.line1, address.line2, place, address.country)
    return [text for text in lines if text]


def _size(text: str, size: float) -> float:
    """A smaller size for a longer text, so that it stays on the label."""
    return size if len(text) <= 30 else max(7.0, size * 30 / len(text))


# ------------------------------------------------------------------ ZPL

# Commands begin with ^ or ~; as data they must not. Control characters end a command as well.
_ZPL_HARMLESS = {**dict.fromkeys(range(32), " "), ord("^"): " ", ord("~"): " ", ord("\\"): "/", 127: " "}
_ZPL_HEAD = "^XA^CI28^PW812^LL1218^LH0,0^FO20,220^GB772,3,3^FS^FO20,560^GB772,3,3^FS^FO20,830^GB772,3,3^FS"


def zpl(label: LogisticsLabel) -> bytes:
    """The label for a Zebra printer at 203 dpi, UTF-8. Data can't carry commands. ValueError for a wrong SSCC."""
    commands = [_ZPL_HEAD]
    width, height = _LABEL_DOTS
    for text in _texts(label):
        dots = int(text.size * 203 / 72)
        shown = text.text.translate(_ZPL_HARMLESS)
        commands.append(
            f"^FO{int(text.x * width / 100)},{int(text.y * height / 100) - dots // 2}^A0N,{dots},{dots}^FD{shown}^FS"
        )
    left = (width - code128.module_count(f"00{label.sscc}") * _MODULE_DOTS) // 2
    # >; starts set C, >8 is FNC1: GS1-128 with the printer computing the check character.
    commands.append(
        f"^FO{left},850^BY{_MODULE_DOTS},3,{_BAR_HEIGHT_DOTS}^BCN,{_BAR_HEIGHT_DOTS},N,N,N,N^FD>;>800{label.sscc}^FS"
        f"^FO{left},1130^A0N,34,34^FD(00) {label.sscc}^FS^XZ\n"
    )
    return "".join(commands).encode()


# ------------------------------------------------------------------ PDF


@cache
def _bars_of(value: int) -> str:
    """The bars of a symbol character, filled, and a step to the right of it."""
    rectangles = "".join(
        f"{offset * _MODULE_PT:.3f} 0 {width * _MODULE_PT:.3f} {_BAR_HEIGHT_PT:g} re "
        for offset, width in code128.bars(value)
    )
    return f"{rectangles}f 1 0 0 1 {code128.MODULES_PER_CHARACTER * _MODULE_PT:.3f} 0 cm"


def _barcode(digits: str) -> str:
    """The bar code, in the middle of the page, each character as it was drawn before."""
    left = (_PAGE_PT[0] - code128.module_count(digits) * _MODULE_PT) / 2
    characters = [_bars_of(value) for value in (*code128.symbol_values(digits), -1)]
    return "\n".join((f"q 1 0 0 1 {left:.3f} {_BARCODE_BOTTOM_PT:g} cm", *characters, "Q"))


def pdf(label: LogisticsLabel) -> bytes:
    """The label as a PDF page with vector bars. ValueError for a wrong SSCC."""
    width, height = _PAGE_PT
    content = [_PDF_RULES, _barcode(f"00{label.sscc}"), "BT"]
    for text in (*_texts(label), _Text(28, 95.5, 11, f"(00) {label.sscc}")):
        shown = text.text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        x, y = text.x * width / 100, height - text.y * height / 100 - text.size * 0.35
        content.append(f"/{'B' if text.bold else 'R'} {text.size:.2f} Tf 1 0 0 1 {x:.2f} {y:.2f} Tm ({shown}) Tj")
    content.append("ET")
    stream = "\n".join(content).encode("cp1252", "replace").translate(_PDF_HARMLESS)
    return _assemble(stream)


_PDF_RULES = "0 g 7 352 274 1 re 7 232 274 1 re 7 138 274 1 re f"
# Control characters (C1 as well) show nothing and may end a string; the line feed separates operators.
_PDF_HARMLESS = bytes(32 if (byte < 32 and byte != 10) or byte == 127 else byte for byte in range(256))


def _assemble(stream: bytes) -> bytes:
    """A PDF 1.4 file of one page with this content."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 6 0 R/Resources<</Font<</R 4 0 R/B 5 0 R>>>>>>"
        % _PAGE_PT,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
    ]
    parts, offsets, size = [b"%PDF-1.4\n"], [], 9
    for number, body in enumerate(objects, start=1):
        part = b"%d 0 obj%s endobj\n" % (number, body)
        offsets.append(b"%010d 00000 n \n" % size)
        parts.append(part)
        size += len(part)
    table = b"xref\n0 7\n0000000000 65535 f \n" + b"".join(offsets)
    trailer = b"trailer<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % size
    return b"".join((*parts, table, trailer))
