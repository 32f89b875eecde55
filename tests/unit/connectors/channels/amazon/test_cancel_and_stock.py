"""Cancelling at Amazon by feed, and telling it what it may sell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import orjson
import pytest

from kept.ports import (
    CancelReason,
    ChannelCancel,
    ChannelCancelled,
    NotAsked,
    PermanentFault,
    StockOffer,
    StockRefused,
    TemporaryFault,
    UnknownResult,
)
from tests.conformance.amazon import FakeAmazon, errors
from tests.conformance.operations import KEY, WHOLE_CANCEL
from tests.conformance.wire import Trouble, answer
from tests.unit.connectors.channels.amazon.accounts import Account, open_account

ONE_ITEM = replace(WHOLE_CANCEL, whole=False, quantities={2: 3})
DONE = ChannelCancelled("5001")


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    opened = open_account(tmp_path)
    yield opened
    assert opened.judge.problems == []


async def cancel(account: Account, wanted: ChannelCancel) -> ChannelCancelled:
    assert account.channel.cancel is not None
    return await account.channel.cancel.cancel(wanted, KEY)


async def find(account: Account, wanted: ChannelCancel) -> ChannelCancelled | None:
    assert account.channel.cancel is not None
    return await account.channel.cancel.find_cancel(wanted)


async def test_a_whole_cancel_is_a_feed_with_every_item_and_its_reason(account: Account) -> None:
    assert await find(account, WHOLE_CANCEL) is None
    assert await cancel(account, WHOLE_CANCEL) == DONE
    (document,) = account.vendor.feeds
    assert document.count("<CancelReason>NoInventory</CancelReason>") == 2
    assert "<MerchantIdentifier>A1SELLER</MerchantIdentifier>" in document
    assert "<AmazonOrderID>5001</AmazonOrderID><StatusCode>Failure</StatusCode>" in document
    made = account.wire.requests[-2]
    assert made.headers["idempotency-key"] == KEY
    assert orjson.loads(made.content) == {
        "feedType": "POST_ORDER_ACKNOWLEDGEMENT_DATA",
        "marketplaceIds": ["ATVPDKIKX0DER"],
        "inputFeedDocumentId": "doc-1",
    }
    assert await find(account, WHOLE_CANCEL) == DONE


async def test_the_upload_carries_its_type_and_no_token_and_its_address_is_not_told(account: Account) -> None:
    await cancel(account, WHOLE_CANCEL)
    (upload,) = [request for request in account.wire.beside if request.method == "PUT"]
    assert upload.headers["content-type"] == "text/xml; charset=UTF-8"
    assert not {"x-amz-access-token", "authorization"} & set(upload.headers)


async def test_one_item_is_cancelled_alone_and_only_what_is_left_of_a_cancel_is_sent(account: Account) -> None:
    assert await cancel(account, ONE_ITEM) == DONE
    assert account.vendor.items["11"][3] == 0
    assert await find(account, WHOLE_CANCEL) is None
    await cancel(account, WHOLE_CANCEL)
    assert "<AmazonOrderItemCode>12<" not in account.vendor.feeds[1]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (CancelReason.BUYER, "BuyerCanceled"),
        (CancelReason.BAD_ADDRESS, "ShippingAddressUndeliverable"),
        (CancelReason.PRICE_ERROR, "GeneralAdjustment"),
        (CancelReason.FRAUD, "RiskAssessmentInformationNotValid"),
        (CancelReason.OTHER, "GeneralAdjustment"),
    ],
)
async def test_each_reason_is_one_of_amazons(account: Account, reason: CancelReason, code: str) -> None:
    await cancel(account, replace(WHOLE_CANCEL, reason=reason))
    assert f"<CancelReason>{code}</CancelReason>" in account.vendor.feeds[0]


async def test_an_order_that_amazon_or_the_buyer_cancelled_is_not_cancelled_again(account: Account) -> None:
    account.vendor.status = "CANCELLED"
    assert await cancel(account, WHOLE_CANCEL) == DONE
    assert await find(account, WHOLE_CANCEL) == DONE
    assert account.vendor.feeds == []


@pytest.mark.parametrize(
    ("wanted", "shipped", "code"),
    [
        (replace(ONE_ITEM, quantities={2: 2}), 0, "partial_quantity"),
        (WHOLE_CANCEL, 1, "partly_shipped"),
        (replace(ONE_ITEM, line_ids={2: "77"}), 0, "line_unknown"),
        (replace(WHOLE_CANCEL, channel_order_id="404"), 0, "order_unknown"),
    ],
)
async def test_what_amazon_would_refuse_or_overdo_is_refused_before_anything_is_sent(
    account: Account, wanted: ChannelCancel, shipped: int, code: str
) -> None:
    account.vendor.items["11"][2] = shipped
    with pytest.raises(PermanentFault) as caught:
        await cancel(account, wanted)
    assert caught.value.code == code
    assert account.vendor.feeds == []


@pytest.mark.parametrize("trouble", [Trouble.HTTP_500_BEFORE, Trouble.TIMEOUT_AFTER, Trouble.HTTP_429])
async def test_a_document_that_was_not_made_leaves_nothing_in_doubt(account: Account, trouble: Trouble) -> None:
    account.wire.troubles.append(trouble)
    with pytest.raises(TemporaryFault):
        await cancel(account, WHOLE_CANCEL)
    assert account.vendor.feeds == []


async def test_a_feed_without_an_answer_is_in_doubt_and_the_order_tells(account: Account) -> None:
    account.wire.troubles.extend([None, Trouble.TIMEOUT_AFTER])
    with pytest.raises(UnknownResult):
        await cancel(account, WHOLE_CANCEL)
    assert await find(account, WHOLE_CANCEL) == DONE


@pytest.mark.parametrize("state", ["IN_QUEUE", "IN_PROGRESS"])
async def test_a_feed_under_way_is_waited_for_and_no_second_one_is_sent(account: Account, state: str) -> None:
    account.vendor.feed_state = state
    with pytest.raises(UnknownResult, match="will tell"):
        await cancel(account, WHOLE_CANCEL)
    for _ in range(3):
        with pytest.raises(NotAsked, match="feed-1") as caught:
            await cancel(account, WHOLE_CANCEL)
        assert caught.value.retry_after_s == 60.0
    assert len(account.vendor.feeds) == 1
    account.vendor.status = "CANCELLED"
    assert await cancel(account, WHOLE_CANCEL) == DONE


async def test_a_feed_that_is_done_has_a_while_to_show_and_then_had_no_effect(account: Account) -> None:
    account.vendor.feed_state = "DONE"
    account.vendor.feed_ended_at = datetime.now(UTC).isoformat()
    with pytest.raises(UnknownResult):
        await cancel(account, WHOLE_CANCEL)
    with pytest.raises(NotAsked):
        await cancel(account, WHOLE_CANCEL)
    account.vendor.feed_ended_at = (datetime.now(UTC) - timedelta(minutes=16)).isoformat()
    with pytest.raises(PermanentFault, match="did not cancel 5001") as caught:
        await cancel(account, WHOLE_CANCEL)
    assert caught.value.code == "feed_without_effect"
    account.vendor.feed_state = ""
    assert await cancel(account, WHOLE_CANCEL) == DONE  # a replay sends anew
    assert len(account.vendor.feeds) == 2


async def test_a_look_that_fails_after_the_feed_was_sent_leaves_the_cancel_in_doubt(account: Account) -> None:
    account.wire.hits = lambda request: True
    account.wire.troubles.extend([None, None, None, Trouble.HTTP_429])
    with pytest.raises(UnknownResult, match="will tell"):
        await cancel(account, WHOLE_CANCEL)
    assert len(account.vendor.feeds) == 1


@pytest.mark.parametrize("state", ["FATAL", "CANCELLED"])
async def test_a_feed_that_amazon_gave_up_is_sent_anew(account: Account, state: str) -> None:
    account.vendor.feed_state = state
    for count in (1, 2):
        with pytest.raises(UnknownResult):
            await cancel(account, WHOLE_CANCEL)
        assert len(account.vendor.feeds) == count


class Documents(FakeAmazon):
    """Gives this address to upload to, and this answer to the upload."""

    def __init__(self, url: str, told: httpx2.Response) -> None:
        super().__init__()
        self.url, self.told = url, told

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        return self.told if request.method == "PUT" else super().handle(request)

    def serve(self, request: httpx2.Request, method: str, path: str, body: dict[str, object]) -> httpx2.Response:
        if path.endswith("/documents"):
            return answer(201, {"feedDocumentId": "doc", "url": self.url})
        return super().serve(request, method, path, body)


@pytest.mark.parametrize("status", [403, 400, 500, 503])
async def test_an_upload_that_is_refused_is_made_anew_later(tmp_path: Path, status: int) -> None:
    """An address to upload to lives five minutes: a refusal blames the address, not the account."""
    account = open_account(tmp_path, Documents("http://uploads.test/1?X-Amz-Signature=secret", answer(status, {})))
    with pytest.raises(TemporaryFault) as caught:
        await cancel(account, WHOLE_CANCEL)
    assert "secret" not in str(caught.value)


async def test_nothing_is_uploaded_over_an_open_line(tmp_path: Path) -> None:
    vendor = Documents("ftp://uploads.test/1?X-Amz-Signature=secret", answer(200, {}))
    with pytest.raises(TemporaryFault, match="not http or https") as caught:
        await cancel(open_account(tmp_path, vendor), WHOLE_CANCEL)
    assert "secret" not in str(caught.value)


# ------------------------------------------------------------------ stock


async def push(account: Account, *offers: StockOffer) -> list[StockRefused]:
    assert account.channel.push_stock is not None
    return list(await account.channel.push_stock.push(offers, KEY))


async def test_a_quantity_is_merged_into_the_listing_and_nothing_else_is_touched(account: Account) -> None:
    assert await push(account, StockOffer("A/B 1", 7)) == []
    (request,) = account.wire.requests
    assert request.url.raw_path.startswith(b"/listings/2021-08-01/items/A1SELLER/A%2FB%201?")
    assert orjson.loads(request.content) == {
        "productType": "PRODUCT",
        "patches": [
            {
                "op": "merge",
                "path": "/attributes/fulfillment_availability",
                "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 7}],
            }
        ],
    }
    await push(account, StockOffer("A/B 1", 0))
    assert set(account.vendor.stock.values()) == {0}


async def test_a_sku_that_amazon_does_not_take_is_told_with_its_reason(account: Account) -> None:
    assert await push(account, StockOffer("NO", 7)) == [StockRefused("NO", "90000900", "The SKU is not there.")]
    account.vendor.refusing.append(errors(400, "InvalidInput", "'sku' is not valid."))
    (refused,) = await push(account, StockOffer("S1", 7))
    assert (refused.sku, refused.code) == ("S1", "InvalidInput")
    assert "'sku' is not valid" in refused.reason


async def test_a_fault_that_does_not_blame_the_sku_is_a_fault(account: Account) -> None:
    account.vendor.refusing.append(errors(413, "RequestTooLarge", "too large"))
    with pytest.raises(PermanentFault):
        await push(account, StockOffer("S1", 7))
    account.vendor.refusing.append(answer(200, {"sku": "S1", "status": "VALID", "submissionId": "x"}))
    with pytest.raises(UnknownResult):
        await push(account, StockOffer("S1", 7))
