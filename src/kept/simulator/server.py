"""Serves a party's app over real HTTP, with a way to cut a connection in the middle of a call."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_START_POLL_S = 0.01
_STOP_WAIT_S = 0.5  # for calls under way
_BREAK_WAIT_S = 0.5  # for their tasks to notice that the connection is gone


class AbortableProtocol(HttpToolsProtocol):
    """Puts `abort(reset)` into the request's state, so that an app can break the connection it is served on."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["abort"] = self._abort

    def _abort(self, reset: bool) -> None:
        """Close at once without flushing; with `reset` the peer sees an RST instead of an orderly FIN."""
        if reset:
            linger_zero = struct.pack("ii", 1, 0)
            raw: socket.socket = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        self.transport.abort()


class _Server(uvicorn.Server):
    """A server that leaves the process' signals alone (several run in one process) and stops when told, at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give calls under way a moment, then break what is still held: nobody waits for it."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for wait_s in (_STOP_WAIT_S, _BREAK_WAIT_S):
            under_way = list(self.server_state.tasks)
            if under_way:
                await asyncio.wait(under_way, timeout=wait_s)
            for connection in list(self.server_state.connections):
                if isinstance(connection, AbortableProtocol):
                    connection.transport.abort()


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block is left; yields the port (a free one when `port` is 0). OSError if it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"can't listen on {host}:{port}: {error.strerror}") from error
    config = uvicorn.Config(
        app,
        http=AbortableProtocol,
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():
            await asyncio.sleep(_START_POLL_S)
        if task.done():
            task.result()
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        server.stopping.set()
        await task
        listener.close()
