"""What an in-house system is told, and what answers of it are none."""

from __future__ import annotations

import pytest

from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.channels.inhouse import telling
from kept.ports import Acknowledgement, CancelReason, ChannelCancel, PermanentFault, StockOffer, StockRefused

TOLD = Acknowledgement("K-1", "A-1", {1: "L1", 2: "L2"}, {1: 2, 2: 1})


def test_an_acknowledgement_names_lines_by_the_senders_ids() -> None:
    lines = [{"id": "L1", "quantity": 2}, {"id": "L2", "quantity": 1}]
    assert telling.acknowledgement_json(TOLD) == {"reference": "K-1", "lines": lines}


def test_a_cancel_tells_reason_pieces_and_whether_it_is_all() -> None:
    cancel = ChannelCancel("K-1", "A-1", CancelReason.OUT_OF_STOCK, {1: "L1", 2: "L2"}, {2: 1}, whole=False)
    told = telling.cancel_json(cancel)
    assert told == {
        "reference": "K-1",
        "reason": "out_of_stock",
        "whole": False,
        "lines": [{"id": "L2", "quantity": 1}],
    }


def test_a_line_that_the_sender_never_had_is_refused_before_it_is_sent() -> None:
    with pytest.raises(PermanentFault, match="line 3"):
        telling.acknowledgement_json(Acknowledgement("K-1", "A-1", {1: "L1"}, {3: 1}))


@pytest.mark.parametrize("answer", [{"order_id": "A-2", "reference": "K-1"}, {"order_id": "A-1", "reference": "K-2"}])
def test_an_acknowledgement_of_something_else_is_no_answer(answer: dict[str, str]) -> None:
    with pytest.raises(UnexpectedAnswer):
        telling.acknowledged(TOLD)(answer)


def test_stock_names_what_we_believe_only_where_it_is_compared() -> None:
    offers = [StockOffer("A", 1), StockOffer("B", 0, believed=2)]
    levels = [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 0, "believed": 2}]
    assert telling.stock_json(offers, "") == {"levels": levels}
    assert telling.stock_json(offers, "north") == {"location": "north", "levels": levels}


def test_refused_stock_is_of_what_was_told_and_has_a_code() -> None:
    read = telling.refused([StockOffer("A", 1)])
    assert read({"refused": []}) == []
    assert read({"refused": [{"sku": "A", "code": "stale"}]}) == [StockRefused("A", "stale", "")]
    for wrong in ({"sku": "B", "code": "stale"}, {"sku": "A", "code": ""}):
        with pytest.raises(UnexpectedAnswer):
            read({"refused": [wrong]})
