"""One HTTP target: headers, faults, limits. The network is a MockTransport, the clock is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest

from kept.connectors.answers import RETRY_AFTER_MAX_S, UnexpectedAnswer, masked, problem_of, retry_after_s
from kept.connectors.circuit import FAILURES_TO_OPEN, CircuitState
from kept.connectors.http import ANSWER_BYTES_MAX, HttpTarget, Request
from kept.observe.correlation import Call, calls, correlation_id
from kept.ports import AccessRefused, CircuitOpen, Fault, PermanentFault, TemporaryFault, UnknownResult

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
CORRELATION = "0198c0de-0000-7000-8000-0123456789ab"
READ = Request("GET", "/v1/things", params={"q": "a b"})
WRITE = Request("POST", "/v1/things", json={"a": 1}, key="K-1:book:1")
Handler = Callable[[httpx2.Request], Any]


def target(handler: Handler, *, timeout_s: float = 10.0, at_once: int = 4) -> HttpTarget:
    return HttpTarget(
        "erp:main",
        "http://erp.test/base/",
        timeout_s=timeout_s,
        requests_at_once=at_once,
        headers={"authorization": "Bearer token"},
        clock=lambda: 0.0,
        now=lambda: NOW,
        transport=httpx2.MockTransport(handler),
    )


def response(status: int, body: bytes = b"{}", headers: dict[str, str] | None = None) -> httpx2.Response:
    """A response whose body is still to come: one made with `content` counts as read already."""
    return httpx2.Response(status, stream=httpx2.ByteStream(body), headers=headers or {})


def answering(status: int, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Handler:
    return lambda request: response(status, body, headers)


def raising(error: Exception) -> Handler:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise error

    return handle


def itself(answer: Any) -> Any:
    return answer


async def fault_of(handler: Handler, request: Request) -> Fault:
    with pytest.raises(Fault) as caught:
        await target(handler).call(request, itself)
    return caught.value


class Cut(httpx2.AsyncByteStream):
    """A body that ends in the middle."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"order_id":'
        raise httpx2.ReadError("connection reset")


# ------------------------------------------------------------------ what is sent


async def test_a_call_carries_key_correlation_trace_and_our_headers() -> None:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return response(200, b'{"ok":true}')

    token = correlation_id.set(CORRELATION)
    try:
        assert await target(handle).call(WRITE, itself) == {"ok": True}
    finally:
        correlation_id.reset(token)
    sent = seen[0]
    assert str(sent.url) == "http://erp.test/base/v1/things"
    assert sent.content == b'{"a":1}'
    assert sent.headers["idempotency-key"] == "K-1:book:1"
    assert sent.headers["x-correlation-id"] == CORRELATION
    assert sent.headers["traceparent"].startswith(f"00-{CORRELATION.replace('-', '')}-")
    assert sent.headers["authorization"] == "Bearer token"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["content-type"] == "application/json"


async def test_a_retry_of_one_call_is_the_same_span_and_another_call_is_not() -> None:
    spans = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        spans.append(request.headers["traceparent"])
        return response(200)

    token = correlation_id.set(CORRELATION)
    try:
        one = target(handle)
        for request in (WRITE, WRITE, READ):
            await one.call(request, itself)
    finally:
        correlation_id.reset(token)
    assert spans[0] == spans[1] != spans[2]


async def test_a_call_is_recorded_for_the_timeline_with_its_status_and_without_its_body() -> None:
    recorded: list[Call] = []
    token = calls.set(recorded)
    try:
        await target(answering(201)).call(WRITE, itself)
        with pytest.raises(UnknownResult):
            await target(raising(httpx2.ReadTimeout("late"))).call(WRITE, itself)
    finally:
        calls.reset(token)
    good, bad = recorded
    assert good == Call(NOW, "erp:main", "POST /v1/things", 201, 0, "")
    assert (bad.status, bad.target) == (None, "erp:main")
    assert "no whole answer" in bad.error


# ------------------------------------------------------------------ what failures mean

Expected = tuple[Handler, type[Fault], type[Fault]]  # handler, fault of a write, fault of a read
MEANINGS: dict[str, Expected] = {
    "no connection": (raising(httpx2.ConnectError("refused")), TemporaryFault, TemporaryFault),
    "connect timeout": (raising(httpx2.ConnectTimeout("late")), TemporaryFault, TemporaryFault),
    "pool timeout": (raising(httpx2.PoolTimeout("full")), TemporaryFault, TemporaryFault),
    "read timeout": (raising(httpx2.ReadTimeout("late")), UnknownResult, TemporaryFault),
    "write timeout": (raising(httpx2.WriteTimeout("late")), UnknownResult, TemporaryFault),
    "cut before the answer": (raising(httpx2.RemoteProtocolError("gone")), UnknownResult, TemporaryFault),
    "reset": (raising(httpx2.ReadError("reset")), UnknownResult, TemporaryFault),
    "cut within the answer": (lambda _: httpx2.Response(200, stream=Cut()), UnknownResult, TemporaryFault),
    "truncated JSON": (answering(200, b'{"order_id":'), UnknownResult, TemporaryFault),
    "HTML": (answering(200, b"<html>welcome</html>"), UnknownResult, TemporaryFault),
    "empty body": (answering(200, b""), UnknownResult, TemporaryFault),
    "unasked encoding": (answering(200, b"\x1f\x8b", {"content-encoding": "br"}), UnknownResult, TemporaryFault),
    "endless body": (answering(200, b" " * (ANSWER_BYTES_MAX + 1)), UnknownResult, TemporaryFault),
    "500": (answering(500), UnknownResult, TemporaryFault),
    "502": (answering(502), UnknownResult, TemporaryFault),
    "504": (answering(504), UnknownResult, TemporaryFault),
    "408": (answering(408), UnknownResult, TemporaryFault),
    "503": (answering(503), TemporaryFault, TemporaryFault),
    "429": (answering(429), TemporaryFault, TemporaryFault),
    "redirect": (answering(307, b"", {"location": "http://other.test/"}), PermanentFault, PermanentFault),
    "400": (answering(400), PermanentFault, PermanentFault),
    "401": (answering(401), AccessRefused, AccessRefused),
    "403": (answering(403), AccessRefused, AccessRefused),
    "404": (answering(404), PermanentFault, PermanentFault),
    "409": (answering(409), PermanentFault, PermanentFault),
    "422": (answering(422), PermanentFault, PermanentFault),
    "404 cut within": (lambda _: httpx2.Response(404, stream=Cut()), PermanentFault, PermanentFault),
}


@pytest.mark.parametrize("name", MEANINGS)
async def test_a_failed_write_means(name: str) -> None:
    handler, fault, _ = MEANINGS[name]
    assert type(await fault_of(handler, WRITE)) is fault


@pytest.mark.parametrize("name", MEANINGS)
async def test_a_failed_read_means(name: str) -> None:
    handler, _, fault = MEANINGS[name]
    assert type(await fault_of(handler, READ)) is fault


async def test_a_post_that_only_reads_fails_as_a_read() -> None:
    query = Request("POST", "/graphql", json={}, reads_only=True)
    assert type(await fault_of(answering(500), query)) is TemporaryFault


async def test_an_answer_of_another_shape_is_no_telling_for_a_write() -> None:
    def refuse(answer: Any) -> Any:
        raise UnexpectedAnswer("the order is another one")

    with pytest.raises(UnknownResult, match="another one"):
        await target(answering(200)).call(WRITE, refuse)
    with pytest.raises(TemporaryFault, match="another one"):
        await target(answering(200)).call(READ, refuse)


async def test_look_up_takes_404_for_nothing_there_and_all_else_as_call_does() -> None:
    assert await target(answering(404)).look_up(READ, itself) is None
    assert await target(answering(200, b'{"a":1}')).look_up(READ, itself) == {"a": 1}
    with pytest.raises(PermanentFault):
        await target(answering(410)).look_up(READ, itself)


async def test_a_refusal_carries_the_vendors_code_and_words_without_personal_data() -> None:
    body = b'{"code":"reference_conflict","title":"Conflict","detail":"ann@example.com, +49 221 555 0100 has it"}'
    fault = await fault_of(answering(409, body), WRITE)
    assert isinstance(fault, PermanentFault)
    assert fault.code == "reference_conflict"
    assert "(e-mail), (number) has it" in str(fault)
    assert "ann@" not in str(fault)


async def test_a_reference_of_ours_is_not_taken_for_a_phone_number() -> None:
    fault = await fault_of(answering(409, b'{"detail":"K7Q2F-000000123-2 exists"}'), WRITE)
    assert str(fault).endswith("K7Q2F-000000123-2 exists")


async def test_a_refusal_without_problem_details_has_its_status_as_code() -> None:
    fault = await fault_of(answering(418, b"<html>"), WRITE)
    assert isinstance(fault, PermanentFault)
    assert fault.code == "http_418"


async def test_the_cause_of_a_fault_is_kept() -> None:
    fault = await fault_of(raising(httpx2.ConnectError("refused")), WRITE)
    assert isinstance(fault.__cause__, httpx2.ConnectError)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("2", 2.0),
        ("0", 0.0),
        ("86400", RETRY_AFTER_MAX_S),
        ("9" * 400, RETRY_AFTER_MAX_S),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_date(value: str, wait_s: float | None) -> None:
    assert retry_after_s(value, NOW) == wait_s
    fault = await fault_of(answering(429, headers={"retry-after": value}), WRITE)
    assert isinstance(fault, TemporaryFault)
    assert fault.retry_after_s == wait_s


def test_foreign_text_is_one_short_line() -> None:
    assert masked("a\n  b\t" + "x" * 1000) == "a b " + "x" * 196


def test_problem_details_that_are_none_are_nothing() -> None:
    assert problem_of(b"[1]") == ("", "")
    assert problem_of(b"") == ("", "")
    assert problem_of(b'{"code":7,"type":"about:blank","title":["x"]}') == ("", "")
    assert problem_of(b'{"type":"urn:x:out-of-stock","title":"No stock"}') == ("urn:x:out-of-stock", "No stock")


# ------------------------------------------------------------------ limits


async def test_a_target_that_never_answers_is_given_up_after_its_timeout() -> None:
    async def hang(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError("an event that nobody sets")

    with pytest.raises(UnknownResult, match="within"):
        await target(hang, timeout_s=0.02).call(WRITE, itself)


async def test_no_more_calls_than_the_bulkhead_has_places_are_out_at_once() -> None:
    out = most = 0
    full, go = asyncio.Event(), asyncio.Event()

    async def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal out, most
        out += 1
        most = max(most, out)
        if out == 2:
            full.set()
        await go.wait()
        out -= 1
        return response(200)

    one = target(handle, at_once=2)
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(one.call(WRITE, itself))
        await full.wait()
        go.set()
    assert most == 2


async def test_a_bulkhead_that_stays_full_is_as_good_as_an_open_circuit() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def handle(request: httpx2.Request) -> httpx2.Response:
        arrived.set()
        await go.wait()
        return response(200)

    one = target(handle, timeout_s=0.05, at_once=1)
    first = asyncio.create_task(one.call(READ, itself))
    await arrived.wait()
    second = asyncio.create_task(one.call(WRITE, itself))
    with pytest.raises(TemporaryFault):
        await first
    # The first gave up its place as the second's patience ended: either is right, and nothing is unknown.
    with pytest.raises(Fault) as caught:
        await second
    assert isinstance(caught.value, CircuitOpen | UnknownResult)


async def test_five_failures_open_the_circuit_and_nothing_is_asked_any_more() -> None:
    asked = 0

    def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        return response(500)

    one = target(handle)
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(UnknownResult):
            await one.call(WRITE, itself)
    with pytest.raises(CircuitOpen) as caught:
        await one.call(WRITE, itself)
    assert asked == FAILURES_TO_OPEN
    assert caught.value.retry_after_s == 1.0


@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize(
    "nobody", [raising(httpx2.ReadTimeout("")), raising(httpx2.ConnectError("")), answering(502), answering(504)]
)
async def test_a_call_that_leaves_the_circuit_open_says_so_and_one_that_does_not_stands_for_itself(
    request_: Request, nobody: Handler
) -> None:
    one = target(nobody)
    down_for_s: list[float | None] = []
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises((TemporaryFault, UnknownResult)) as caught:
            await one.call(request_, itself)
        down_for_s.append(caught.value.down_for_s)
    assert down_for_s == [None] * (FAILURES_TO_OPEN - 1) + [1.0]


async def test_a_target_that_is_down_and_says_for_how_long_is_believed() -> None:
    one = target(answering(503, headers={"retry-after": "120"}))
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(TemporaryFault) as caught:
            await one.call(READ, itself)
    assert caught.value.down_for_s == 120.0


async def test_a_500_counts_against_what_was_asked_though_it_opens_the_circuit() -> None:
    one = target(answering(500))
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(UnknownResult) as caught:
            await one.call(WRITE, itself)
    assert caught.value.down_for_s is None
    assert one.circuit.state is CircuitState.OPEN


async def test_refusals_and_throttling_are_signs_of_life_for_the_circuit() -> None:
    one = target(answering(429))
    for _ in range(FAILURES_TO_OPEN + 1):
        with pytest.raises(TemporaryFault):
            await one.call(WRITE, itself)
    assert one.circuit.state is CircuitState.CLOSED


async def test_a_cancelled_call_frees_its_place_and_says_nothing_about_the_target() -> None:
    arrived = asyncio.Event()

    async def handle(request: httpx2.Request) -> httpx2.Response:
        if not arrived.is_set():
            arrived.set()
            await asyncio.Event().wait()
        return response(200, b'{"second":true}')

    one = target(handle, at_once=1)
    task = asyncio.create_task(one.call(WRITE, itself))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await one.call(WRITE, itself) == {"second": True}


async def test_every_request_has_a_deadline_on_the_wire() -> None:
    seen: list[Any] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["timeout"])
        return response(200)

    await target(handle, timeout_s=5.0).call(READ, itself)
    assert seen == [{"connect": 2.5, "read": 5.0, "write": 5.0, "pool": 2.5}]


async def test_closing_twice_is_closing_once() -> None:
    one = target(answering(200))
    await one.call(READ, itself)
    await one.aclose()
    await one.aclose()
