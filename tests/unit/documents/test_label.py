"""Labels: the bar code is really read back, and no name can break out of its field."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pypdf
import pypdfium2
import pytest
import zxingcpp
from biip.gs1_messages import GS1Message

from kept.documents import code128
from kept.documents.label import LogisticsLabel, pdf, zpl
from kept.documents.sscc import sscc
from kept.domain.order import Address

EAST = Address("Kept East", "1 Dock Rd", "", "Newark", "NJ", "07102", "US")
BUYER = Address("Ada Müller", "Straße 1", "c/o (Hof)", "Berlin", "", "10623", "DE", company="Ökonom & Co.")
LABEL = LogisticsLabel(
    sscc=sscc("0614141", 0, 1234567),
    ship_from=EAST,
    ship_to=BUYER,
    order_ref="K7Q2F-000000123",
    fulfilment_ref="K7Q2F-000000123-1",
    carrier_service="express",
    ship_by_date="2026-11-24",
    lines_summary=("2 x SKU-0001",),
    package=1,
    packages=2,
)


def _read(content: bytes) -> list[zxingcpp.Barcode]:
    page = pypdfium2.PdfDocument(content)[0]
    return list(zxingcpp.read_barcodes(page.render(scale=3).to_pil()))


@pytest.mark.parametrize("serial", [0, 1, 99, 1234567, 999_999_999])
def test_the_pdfs_bar_code_reads_as_gs1_128_of_the_sscc(serial: int) -> None:
    number = sscc("0614141", 3, serial)
    (found,) = _read(pdf(replace(LABEL, sscc=number)))
    assert found.symbology_identifier == "]C1"  # Code 128 with FNC1 first: GS1-128
    assert found.bytes.decode() == f"00{number}"


def test_the_element_string_is_application_identifier_00() -> None:
    message = GS1Message.parse(f"00{LABEL.sscc}")
    assert [(s.ai.ai, s.value) for s in message.element_strings] == [("00", LABEL.sscc)]


def test_the_pdf_says_who_where_and_which_order() -> None:
    text = pypdf.PdfReader(io.BytesIO(pdf(LABEL))).pages[0].extract_text()
    for expected in ("Ada Müller", "Straße 1", "c/o (Hof)", "10623", LABEL.fulfilment_ref, "express", "1 of 2"):
        assert expected in text
    assert f"(00) {LABEL.sscc}" in text


def test_characters_that_the_built_in_fonts_lack_become_question_marks() -> None:
    content = pdf(replace(LABEL, ship_to=replace(BUYER, name="山田太郎")))
    assert b"(????)" in content
    assert len(_read(content)) == 1


def test_the_zpl_encodes_the_sscc_with_fnc1_and_fits_the_label() -> None:
    text = zpl(LABEL).decode()
    (data,) = re.findall(r"\^BCN,\d+,N,N,N,N\^FD([^^]*)\^FS", text)
    assert data == f">;>800{LABEL.sscc}"  # set C, FNC1, application identifier 00
    for x, y in re.findall(r"\^FO(\d+),(\d+)", text):
        assert 0 <= int(x) < 812
        assert 0 <= int(y) < 1218
    left = int(re.findall(r"\^FO(\d+),850\^BY4", text)[0])
    width = code128.module_count(f"00{LABEL.sscc}") * 4
    assert left >= 40  # a quiet zone of ten modules on either side
    assert left + width <= 812 - 40


def test_a_name_can_not_carry_commands_into_the_zpl() -> None:
    evil = replace(BUYER, name="^XZ^XA^FDpwn~JA", line1="a\nb\x00c\\")
    text = zpl(replace(LABEL, ship_to=evil)).decode()
    assert text.count("^XA") == 1
    assert text.count("^XZ") == 1
    assert "~" not in text
    assert "\x00" not in text


def test_a_name_can_not_end_its_string_in_the_pdf() -> None:
    evil = replace(BUYER, name="x) Tj ET (", line1="\\", line2="\r\nendstream")
    content = pdf(replace(LABEL, ship_to=evil))
    assert pypdf.PdfReader(io.BytesIO(content), strict=True).pages[0].extract_text()
    assert len(_read(content)) == 1


def test_the_same_label_is_the_same_bytes() -> None:
    assert pdf(LABEL) == pdf(replace(LABEL))
    assert zpl(LABEL) == zpl(replace(LABEL))


def test_a_wrong_sscc_makes_no_label() -> None:
    wrong = replace(LABEL, sscc="006141410012345670")
    with pytest.raises(ValueError, match="006141410012345670"):
        pdf(wrong)
    with pytest.raises(ValueError, match="006141410012345670"):
        zpl(wrong)


def test_an_odd_number_of_digits_is_no_set_c_symbol() -> None:
    with pytest.raises(ValueError, match="even number"):
        code128.symbol_values("123")
