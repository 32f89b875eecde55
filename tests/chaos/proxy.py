"""A TCP proxy before PostgreSQL that cuts connections at commits, so that the client can't tell what became of them.

It reads the wire protocol (PostgreSQL's documentation, "Message Formats"): a commit is a simple query COMMIT, or a
statement outside a transaction, which commits by itself.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

_HEADER = struct.Struct("!cI")
# Most statements outside transactions only read; losing their replies proves less and costs as much time.
_AUTOCOMMIT_WEIGHT = 0.1


class Cut(StrEnum):
    """When a connection is cut. What the client sees is the same each time."""

    BEFORE = "before"  # the commit never reaches the server: surely not committed
    DURING = "during"  # at once after the commit was sent on: committed or not
    AFTER = "after"  # when the server has answered: surely committed


@dataclass(eq=False, slots=True)
class _Session:
    """One client's connection, in both directions."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    in_transaction: bool = False
    executes: bool = False  # a statement outside a transaction was sent, and will commit by itself
    swallow: bool = False  # the answer is not passed on; at its end the connection is cut

    def reset(self) -> None:
        """Close both ends with RST, as a network does that forgot the connection."""
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass(eq=False)
class CommitProxy:
    """Listens on a free port of 127.0.0.1 in a thread of its own; cuts nothing until `probability` is set.

    Clients must connect with `sslmode=disable`.
    """

    target_port: int
    seed: int
    probability: float = 0.0
    port: int = 0
    commits: int = 0
    cuts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._sessions: set[asyncio.Task[None]] = set()
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="commit proxy", daemon=True)

    def start(self) -> int:
        """Begin to listen; the port. Raises OSError."""
        self._thread.start()
        self.port = self._ready.result(timeout=10)
        return self.port

    def stop(self) -> None:
        """Cut everything and stop."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout=10)

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        except OSError as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._stopping.wait()
        server.close()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            to_client.transport.abort()
            return
        session = _Session(to_client, to_server)
        directions = [
            asyncio.ensure_future(self._to_server(session, from_client)),
            asyncio.ensure_future(self._to_client(session, from_server)),
        ]
        try:
            # Whichever direction ends first, by a cut or because its peer closed, ends the other.
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            session.reset()

    # ------------------------------------------------------------------ client to server

    async def _to_server(self, session: _Session, reader: asyncio.StreamReader) -> None:
        await self._greet(session, reader)
        while True:
            kind, message = await _message(reader)
            cut = self._draw(session, kind, message)
            if cut is not None:
                self.cuts[cut] += 1
            if cut is Cut.BEFORE:
                return
            session.swallow = cut is Cut.AFTER or session.swallow
            session.server.write(message)
            await session.server.drain()
            if cut is Cut.DURING:
                return

    async def _greet(self, session: _Session, reader: asyncio.StreamReader) -> None:
        """The first message has no type. It is the start: clients are told not to ask for encryption."""
        length = await reader.readexactly(4)
        session.server.write(length + await reader.readexactly(int.from_bytes(length) - 4))
        await session.server.drain()

    def _draw(self, session: _Session, kind: bytes, message: bytes) -> Cut | None:
        """Whether, and how, to cut at this message."""
        weight = 0.0
        if kind == b"Q" and message[5:11].upper() == b"COMMIT":
            weight = 1.0
        elif kind == b"E":
            session.executes = not session.in_transaction
        elif kind == b"S" and session.executes:
            session.executes, weight = False, _AUTOCOMMIT_WEIGHT
        if not weight:
            return None
        self.commits += 1
        if self._random.random() >= self.probability * weight:
            return None
        return self._random.choice(list(Cut))

    # ------------------------------------------------------------------ server to client

    async def _to_client(self, session: _Session, reader: asyncio.StreamReader) -> None:
        while True:
            kind, message = await _message(reader)
            if kind == b"Z":
                session.in_transaction = message[5:6] != b"I"
            if session.swallow:
                if kind == b"Z":
                    return
                continue
            session.client.write(message)
            await session.client.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The next message: its type, and all its bytes. Raises IncompleteReadError at the end."""
    header = await reader.readexactly(_HEADER.size)
    kind, length = _HEADER.unpack(header)
    return kind, header + await reader.readexactly(length - 4)
