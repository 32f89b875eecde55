"""One HTTP target against real sockets that misbehave, byte by byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kept.connectors.http import ANSWER_BYTES_MAX, HttpTarget, Request
from kept.ports import Fault, TemporaryFault, UnknownResult
from tests.fixtures_location import shared_fixtures

WRITE = Request("POST", "/v1/things", json={"a": 1}, key="K")
READ = Request("GET", "/v1/things")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


class Server:
    """Answers each request with the bytes of the script, then closes."""

    def __init__(self, script: Callable[[asyncio.StreamWriter], Any]) -> None:
        self.script = script
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self.script(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up first, as some tests want
        finally:
            writer.close()


@asynccontextmanager
async def target(
    script: Callable[[asyncio.StreamWriter], Any], timeout_s: float = 5.0
) -> AsyncIterator[tuple[HttpTarget, Server]]:
    server = Server(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    one = HttpTarget("erp:main", f"http://127.0.0.1:{port}", timeout_s=timeout_s, requests_at_once=4, headers={})
    try:
        yield one, server
    finally:
        await one.aclose()
        listening.close()
        await listening.wait_closed()


def saying(*parts: bytes) -> Callable[[asyncio.StreamWriter], Any]:
    async def script(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script


def body(content: bytes, *headers: bytes) -> bytes:
    return (
        HEAD + b"".join(header + b"\r\n" for header in headers) + b"content-length: %d\r\n\r\n" % len(content) + content
    )


async def fault_of(script: Callable[[asyncio.StreamWriter], Any], request: Request, timeout_s: float = 5.0) -> Fault:
    async with target(script, timeout_s) as (one, _):
        with pytest.raises(Fault) as caught:
            await one.call(request, lambda answer: answer)
    return caught.value


async def test_a_good_answer_is_read() -> None:
    async with target(saying(body(b'{"a": 1}'))) as (one, _):
        assert await one.call(READ, lambda answer: answer) == {"a": 1}


BROKEN: dict[str, Callable[[asyncio.StreamWriter], Any]] = {
    "closed without a word": saying(),
    "closed within the status line": saying(b"HTTP/1.1 2"),
    "closed within the headers": saying(HEAD),
    "closed within the body": saying(HEAD + b"content-length: 100\r\n\r\n" + b'{"order_id"'),
    "closed within a chunk": saying(HEAD + b"transfer-encoding: chunked\r\n\r\nff\r\n{"),
    "no HTTP at all": saying(b"220 mail.example.com ESMTP\r\n\r\n"),
    "half a JSON": saying(body(b'{"order_id":')),
    "an encoding that we did not accept": saying(body(gzip.compress(b"{}"), b"content-encoding: gzip")),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_to_a_write_is_unknown_and_to_a_read_temporary(name: str) -> None:
    assert type(await fault_of(BROKEN[name], WRITE)) is UnknownResult
    assert type(await fault_of(BROKEN[name], READ)) is TemporaryFault


async def test_a_reset_after_sending_is_unknown_for_a_write() -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        transport.abort()

    assert type(await fault_of(reset, WRITE)) is UnknownResult


async def test_a_port_where_nobody_listens_is_temporary_for_a_write() -> None:
    async with target(saying()) as (one, _):
        pass
    with pytest.raises(TemporaryFault, match="can't be reached"):
        await one.call(WRITE, lambda answer: answer)
    await one.aclose()


async def test_an_answer_that_trickles_is_given_up_at_the_deadline_of_the_whole_call() -> None:
    gone = asyncio.Event()

    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"content-length: 1000000\r\n\r\n")
        loop = asyncio.get_running_loop()

        def drop() -> None:
            if writer.transport.is_closing():
                gone.set()
            else:
                writer.write(b" ")  # each byte comes well within the read timeout
                loop.call_later(0.01, drop)

        drop()
        await gone.wait()

    assert type(await fault_of(trickle, WRITE, timeout_s=0.1)) is UnknownResult


async def test_an_endless_answer_is_cut_at_its_limit() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        block = b" " * 65536
        while not writer.transport.is_closing():
            writer.write(b"10000\r\n" + block + b"\r\n")
            sent += len(block)
            await writer.drain()

    assert type(await fault_of(endless, READ)) is TemporaryFault
    assert sent < ANSWER_BYTES_MAX * 8, "what the sockets buffer comes on top, but not without end"


async def test_a_gzip_bomb_is_refused_unopened() -> None:
    bomb = shared_fixtures("bad-input", "generated", "bomb_100MB.json.gz").read_bytes()
    fault = await fault_of(saying(body(bomb, b"content-encoding: gzip")), READ)
    assert "encoded as 'gzip'" in str(fault)


async def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
    assert "final address as base_url" in str(await fault_of(saying(moved), READ))


async def test_connections_are_kept_and_used_again() -> None:
    async def twice(writer: asyncio.StreamWriter) -> None:
        writer.write(body(b"{}"))
        await writer.drain()
        await done.wait()

    done = asyncio.Event()
    async with target(twice) as (one, server):
        await one.call(READ, lambda answer: answer)
        # The server answers one request a connection: a second one on it gets no answer, and ends at once.
        again = asyncio.ensure_future(one.call(WRITE, lambda answer: answer))
        done.set()
        with pytest.raises(UnknownResult):
            await again
        assert server.connections == 1
