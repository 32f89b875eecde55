"""GraphQL's own errors: every code of the table its meaning, and a code that is not there is told by name."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from kept.connectors.channels.shopify import queries
from kept.connectors.channels.shopify.codes import GRAPHQL_ERRORS
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.http import HttpTarget
from kept.connectors.meanings import Meaning
from kept.ports import AccessRefused, PermanentFault, TemporaryFault, UnknownResult
from tests.conformance.wire import answer

READ, CHANGE = queries.CANCELLATION, queries.CREATE
NEW = "STRUCK_BY_LIGHTNING"


async def fault_of_answer(operation: queries.Operation, code: str, told: dict[str, Any]) -> Exception:
    """What an answer with an error of this code raises."""
    error = {"message": "Something.", "extensions": {"code": code}}
    transport = httpx2.MockTransport(lambda request: answer(200, {"errors": [error], **told}))
    target = HttpTarget("channel:shop", "http://shop", timeout_s=5, requests_at_once=2, headers={}, transport=transport)
    with pytest.raises(Exception, match=code) as caught:
        await execute(target, operation, {}, lambda parsed: parsed)
    return caught.value


@pytest.mark.parametrize("code", GRAPHQL_ERRORS)
async def test_each_code_has_its_meaning_and_is_in_the_text(code: str) -> None:
    meaning = GRAPHQL_ERRORS[code]
    kinds = {
        Meaning.TEMPORARY: (TemporaryFault, TemporaryFault),
        Meaning.PERMANENT: (PermanentFault, PermanentFault),
        Meaning.AUTH: (AccessRefused, AccessRefused),
        Meaning.RIGHTS: (AccessRefused, AccessRefused),
        Meaning.UNKNOWN: (TemporaryFault, UnknownResult),
    }
    for operation, kind in zip((READ, CHANGE), kinds[meaning], strict=True):
        assert type(await fault_of_answer(operation, code, {"data": None})) is kind


@pytest.mark.parametrize(
    ("operation", "told"),
    [(READ, {}), (READ, {"data": None}), (READ, {"data": {"order": None}}), (CHANGE, {}), (CHANGE, {"data": None})],
)
async def test_a_code_that_is_not_in_the_table_is_a_permanent_fault_that_names_it(
    operation: queries.Operation, told: dict[str, Any]
) -> None:
    fault = await fault_of_answer(operation, NEW, told)
    assert type(fault) is PermanentFault
    assert fault.code == NEW


async def test_a_change_that_may_have_been_made_in_part_stays_in_doubt_whatever_its_code() -> None:
    assert type(await fault_of_answer(CHANGE, NEW, {"data": {"fulfillmentCreate": None}})) is UnknownResult
