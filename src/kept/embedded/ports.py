"""Which port an embedded server listens on: the same one at every start, as long as it is free."""

from __future__ import annotations

import random
import socket
from pathlib import Path

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection can sit on our port while the
# server restarts; above the ports that people give to their own servers by hand.
PORT_MIN, PORT_MAX = 15_000, 32_000
# In a range this wide, fifty taken ports in a row mean something other than bad luck.
TRIES_MAX = 50


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as both servers do: TIME_WAIT is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on. Another process may still take it before you do."""
    chance = random.SystemRandom()  # not the shared seed: two processes must not try the same ports in turn
    for _ in range(TRIES_MAX):
        port = chance.randint(PORT_MIN, PORT_MAX)
        if is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remembered_port(data_dir: Path, service: str) -> int:
    """The port that `service` used last in this folder if it is free; else a free one, remembered from now on."""
    note = data_dir / f"{service}.port"
    try:
        port = int(note.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        port = 0
    if not 0 < port < 65_536 or not is_free(port):
        port = free_port()
        note.write_text(f"{port}\n", encoding="ascii")
    return port
