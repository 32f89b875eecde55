"""What every connector owes its port, whatever the vendor: asked of each operation of each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kept.connectors.circuit import FAILURES_TO_OPEN
from kept.connectors.registry import CENTRES, CHANNELS, ERPS
from kept.connectors.traffic import Rates
from kept.domain.keys import traceparent
from kept.engine.quotas import Bucket
from kept.observe.correlation import Call, calls, correlation_id
from kept.ports import CircuitOpen, Fault, Incoming, PermanentFault, Polled, TemporaryFault, UnknownResult
from tests.conformance import real_tryton
from tests.conformance.operations import AT_ONCE, KEY, TIMEOUT_S, Bench
from tests.conformance.operations import READS as READS_OF_STAND_INS
from tests.conformance.operations import WRITES as WRITES_OF_STAND_INS
from tests.conformance.simulated import BOOKS, SIMULATED, SIMULATED_READS
from tests.conformance.wire import Trouble
from tests.erps.tryton_server import TRYTON

CORRELATION = "0198c0de-0000-7000-8000-0123456789ab"
_NOT_FINDABLE = {
    "erp.amend",
    "erp.withdraw",
    "erp.resolve_customer",
    "business_central.amend",
    "business_central.withdraw",
    "business_central.resolve_customer",
    "erpnext.withdraw",
    "erpnext.resolve_customer",
    "sap_s4.withdraw",
    "sap_s4.resolve_customer",
    "netsuite.amend",
    "netsuite.withdraw",
    "netsuite.resolve_customer",
    "odoo.amend",
    "odoo.withdraw",
    "odoo.resolve_customer",
    "centre.intercept",
    "inhouse.cancel_pieces",
    "inhouse.push_stock",
    "amazon.push_stock",
    "walmart.push_stock",
    "shopify.push_stock",
    "tryton.withdraw",
    "tryton.resolve_customer",
}
WRITES = {**WRITES_OF_STAND_INS, **real_tryton.WRITES}
READS = {**READS_OF_STAND_INS, **real_tryton.READS}
FINDABLE = [name for name in WRITES if name not in _NOT_FINDABLE]
TOKEN_HEADERS = ("authorization", "x-shopify-access-token", "x-amz-access-token", "wm_sec.access_token")
EVERY = {**WRITES, **READS}
# What is done once is done once, by vendors' stand-ins and by the simulated channels that everything else runs against.
ONCE = {**WRITES, **SIMULATED}
FOUND = [*FINDABLE, *SIMULATED]

FAULTS_OF_WRITES = {
    Trouble.NO_CONNECTION: TemporaryFault,
    Trouble.TIMEOUT_BEFORE: UnknownResult,
    Trouble.TIMEOUT_AFTER: UnknownResult,
    Trouble.CUT_AFTER: UnknownResult,
    Trouble.TRUNCATED_AFTER: UnknownResult,
    Trouble.HTTP_500_BEFORE: UnknownResult,
    Trouble.HTTP_500_AFTER: UnknownResult,
    Trouble.HTTP_503: TemporaryFault,
    Trouble.HTTP_429: TemporaryFault,
    Trouble.HTTP_422: PermanentFault,
}


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
async def books_closed() -> AsyncIterator[None]:
    yield
    while BOOKS:
        await BOOKS.pop().close()


@pytest.fixture(autouse=True)
def tryton_at_hand(request: pytest.FixtureRequest) -> None:
    """The real Tryton, for the tests that ask it."""
    if request.node.get_closest_marker("xdist_group") is not None:
        real_tryton.SERVER = request.getfixturevalue("tryton")


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    while real_tryton.OPENED:
        await real_tryton.OPENED.pop().aclose()


@pytest.fixture(autouse=True)
def correlated() -> Iterator[None]:
    token = correlation_id.set(CORRELATION)
    yield
    correlation_id.reset(token)


def each(names: Iterable[str]) -> list[object]:
    """The names as parameters; those of the real Tryton stay together, on one server."""
    return [pytest.param(name, marks=TRYTON if name.startswith("tryton.") else []) for name in names]


def open_bench(name: str, folder: Path, clock: Clock, timeout_s: float = TIMEOUT_S) -> Bench:
    return {**EVERY, **SIMULATED, **SIMULATED_READS}[name](folder, clock, timeout_s)


async def fault_after(bench: Bench, trouble: Trouble) -> Fault:
    bench.wire.troubles.append(trouble)
    with pytest.raises(Fault) as caught:
        await bench.perform()
    return caught.value


def test_every_registered_type_is_in_this_suite() -> None:
    assert set(CHANNELS) == {name.partition(".")[2] for name in WRITES if name.startswith("channel.")}
    assert set(ERPS) == {"rest", "business_central", "erpnext", "netsuite", "odoo", "sap_s4", "tryton"}
    assert set(CENTRES) == {"rest"}


# ------------------------------------------------------------------ one key, one document


@pytest.mark.parametrize("name", each(ONCE))
async def test_asked_twice_with_one_key_it_makes_one_document(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    assert bench.documents is not None
    first, second = await bench.perform(), await bench.perform()
    assert first == second
    assert bench.documents() == 1


@pytest.mark.parametrize("trouble", [Trouble.TIMEOUT_AFTER, Trouble.CUT_AFTER, Trouble.HTTP_500_AFTER])
@pytest.mark.parametrize("name", each(ONCE))
async def test_a_second_try_after_a_lost_answer_makes_no_second_document(
    name: str, trouble: Trouble, tmp_path: Path, clock: Clock
) -> None:
    bench = open_bench(name, tmp_path, clock)
    assert bench.documents is not None
    assert isinstance(await fault_after(bench, trouble), UnknownResult)
    await bench.perform()
    assert bench.documents() == 1


@pytest.mark.parametrize("name", each(FOUND))
async def test_what_was_done_without_an_answer_is_found_and_is_the_same(
    name: str, tmp_path: Path, clock: Clock
) -> None:
    bench = open_bench(name, tmp_path, clock)
    assert bench.find is not None
    assert await bench.find() is None
    await fault_after(bench, Trouble.TIMEOUT_AFTER)
    found = await bench.find()
    assert found is not None
    assert found == await bench.perform()


@pytest.mark.parametrize("name", each(FOUND))
async def test_what_was_not_done_is_not_found(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    assert bench.find is not None
    await fault_after(bench, Trouble.TIMEOUT_BEFORE)
    assert await bench.find() is None


@pytest.mark.parametrize("name", SIMULATED_READS)
async def test_what_a_message_names_is_found_at_the_simulated_channel(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    found = await bench.perform()
    assert isinstance(found, Polled)
    order = CHANNELS["shopify"].normalise("shop", Incoming(found.headers, found.body), datetime.now(UTC))
    assert order is not None
    assert order.computed_total_minor() == order.total_minor


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize("trouble", FAULTS_OF_WRITES)
@pytest.mark.parametrize("name", each(WRITES))
async def test_each_trouble_of_a_write_is_its_fault(name: str, trouble: Trouble, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    assert type(await fault_after(bench, trouble)) is FAULTS_OF_WRITES[trouble]


@pytest.mark.parametrize("trouble", FAULTS_OF_WRITES)
@pytest.mark.parametrize("name", each([*READS, *SIMULATED_READS]))
async def test_no_trouble_of_a_read_leaves_anything_unknown(
    name: str, trouble: Trouble, tmp_path: Path, clock: Clock
) -> None:
    bench = open_bench(name, tmp_path, clock)
    expected = PermanentFault if trouble is Trouble.HTTP_422 else TemporaryFault
    assert type(await fault_after(bench, trouble)) is expected


# ------------------------------------------------------------------ what every call has


@pytest.mark.parametrize("name", each(EVERY))
async def test_every_call_carries_correlation_trace_and_token(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    await bench.perform()
    assert bench.wire.requests
    for request in bench.wire.requests:
        assert request.headers["x-correlation-id"] == CORRELATION
        trace = traceparent(CORRELATION, "any").split("-")[1]
        assert request.headers["traceparent"].split("-")[1] == trace
        assert any(bench.token in request.headers.get(name, "") for name in TOKEN_HEADERS)


@pytest.mark.parametrize("name", each(WRITES))
async def test_the_last_call_of_a_write_carries_our_key(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    await bench.perform()
    if bench.key_travels:
        assert bench.wire.requests[-1].headers["idempotency-key"] == KEY


@pytest.mark.parametrize("name", each(EVERY))
async def test_every_call_is_recorded_for_the_timeline(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    recorded: list[Call] = []
    token = calls.set(recorded)
    try:
        await bench.perform()
    finally:
        calls.reset(token)
    assert len(recorded) == len(bench.wire.requests) + len(bench.wire.beside)
    assert all(call.status in {200, 201, 202, 204, 404} and not call.error for call in recorded)


@pytest.mark.parametrize("name", each(EVERY))
async def test_every_call_has_a_deadline_on_the_wire(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    await bench.perform()
    for request in bench.wire.requests:
        assert request.extensions["timeout"]["read"] == (bench.timeout_s or TIMEOUT_S)
        assert all(seconds <= (bench.timeout_s or TIMEOUT_S) for seconds in request.extensions["timeout"].values())


@pytest.mark.parametrize("name", each(EVERY))
async def test_a_vendor_that_hangs_is_given_up(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock, timeout_s=0.02)
    fault = await fault_after(bench, Trouble.HANG)
    assert type(fault) is (UnknownResult if name in WRITES else TemporaryFault)


@pytest.mark.parametrize("name", each(EVERY))
async def test_no_more_calls_are_open_at_once_than_the_settings_allow(name: str, tmp_path: Path, clock: Clock) -> None:
    bench = open_bench(name, tmp_path, clock)
    bench.wire.gate, bench.wire.crowd = asyncio.Event(), AT_ONCE
    tasks = [asyncio.ensure_future(bench.perform()) for _ in range(AT_ONCE * 3)]
    async with asyncio.timeout(TIMEOUT_S):
        await bench.wire.crowded.wait()
    bench.wire.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert bench.wire.open_most == AT_ONCE


@pytest.mark.parametrize("name", each(EVERY))
async def test_a_vendor_that_is_down_is_left_alone_until_a_probe_finds_it(
    name: str, tmp_path: Path, clock: Clock
) -> None:
    bench = open_bench(name, tmp_path, clock)
    bench.wire.hits = lambda request: True  # down is down for queries too
    for _ in range(FAILURES_TO_OPEN):
        await fault_after(bench, Trouble.NO_CONNECTION)
    asked = len(bench.wire.requests)
    with pytest.raises(CircuitOpen):
        await bench.perform()
    assert len(bench.wire.requests) == asked
    clock.now_s += 1.0
    await bench.perform()


# ------------------------------------------------------------------ the vendors' rates


_WITH_RATES = ("amazon", "shopify", "walmart")


@pytest.mark.parametrize(
    "name",
    [name for name in {**EVERY, **SIMULATED, **SIMULATED_READS} if any(vendor in name for vendor in _WITH_RATES)],
)
async def test_every_call_to_a_vendor_with_rates_takes_from_one(
    name: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation whose name is in no table would have no limit, and nobody would say so."""
    taken: dict[str, int] = {}
    buckets = Rates.buckets

    def counted(rates: Rates, target: str, operation: str) -> list[Bucket]:
        found = buckets(rates, target, operation)
        taken[operation] = len(found)
        return found

    monkeypatch.setattr(Rates, "buckets", counted)
    bench = open_bench(name, tmp_path, clock)
    await bench.perform()
    if bench.find is not None:
        await bench.find()
    assert taken, "it called nobody, or somebody without rates"
    assert [operation for operation, count in taken.items() if not count] == []
