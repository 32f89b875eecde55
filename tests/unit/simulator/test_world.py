"""A world's configuration ties to Kept's own, and its processes survive kill -9 and stop when asked."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kept.settings import SettingsError, load_business, resolve_secret
from kept.simulator.audit_books import ErpBook
from kept.simulator.config import WorldConfig, load_world, save_world
from kept.simulator.demo import demo_config
from kept.simulator.faults import FaultKind, FaultPlan

START_S = 15.0
STOP_S = 3.0


def test_the_demo_world_and_its_kept_toml_fit_together(tmp_path: Path) -> None:
    world = demo_config(tmp_path)
    path = tmp_path / "kept.toml"
    path.write_text(world.kept_toml, encoding="utf-8")
    business = load_business(path)
    assert set(business.channels) == set(world.config.channels) == {"shop", "inhouse"}
    assert {name: each.timezone for name, each in business.centres.items()} == {
        "east": "America/New_York",
        "west": "America/Los_Angeles",
        "europe": "Europe/Berlin",
    }
    for name, centre in world.config.centres.items():
        assert business.centres[name].base_url == f"http://127.0.0.1:{centre.port}"
        assert business.centres[name].webhook_secrets == (centre.webhook_secret,)
        assert any(service.international_days for service in business.centres[name].services)
    assert business.erps["main"].token == world.config.erp.token


def test_secrets_are_private_and_stay_the_same(tmp_path: Path) -> None:
    once, again = demo_config(tmp_path), demo_config(tmp_path)
    assert once == again
    paths = list((tmp_path / "secrets").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    values = [resolve_secret(f"file:{path}").reveal() for path in paths]
    assert len(set(values)) == len(values)
    assert not any(value in once.kept_toml for value in values)


def test_the_world_is_written_and_read_back(tmp_path: Path) -> None:
    config = demo_config(tmp_path, seed=9, faults=FaultPlan(9, 0.1, (FaultKind.RESET,))).config
    save_world(config, tmp_path / "world.json")
    assert load_world(tmp_path / "world.json") == config
    (tmp_path / "bad.json").write_text('{"kept_url": 1}', encoding="utf-8")
    with pytest.raises(SettingsError, match="kept_url"):
        load_world(tmp_path / "bad.json")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(world: Path, run: str, port: int) -> subprocess.Popen[bytes]:
    """A party's process, once it listens; fails at the deadline."""
    code = (
        "from pathlib import Path; from kept.simulator import world, config; "
        f"c = config.load_world(Path({str(world)!r})); world.{run}"
    )
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", code])
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return process
        except OSError:
            time.sleep(0.02)  # there is no signal to wait for: the port is the signal
    process.kill()
    raise AssertionError(f"{run} did not listen on {port} within {START_S} s")


def test_an_erp_process_keeps_its_book_through_kill_9_and_stops_on_sigterm(
    make_world: Callable[..., WorldConfig],
    order_body: dict[str, Any],
    tmp_path: Path,
    authorise: Callable[[str], dict[str, str]],
) -> None:
    config, port = make_world(), free_port()
    config = replace(config, erp=replace(config.erp, port=port))
    save_world(config, tmp_path / "world.json")
    url = f"http://127.0.0.1:{port}/v1/orders"
    headers = authorise(config.erp.token) | {"idempotency-key": "k1"}
    first = start(tmp_path / "world.json", "run_erp(c)", port)
    try:
        booked = httpx2.post(url, json=order_body, headers=headers, trust_env=False)
        assert booked.status_code == 201
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    second = start(tmp_path / "world.json", "run_erp(c)", port)
    try:
        again = httpx2.post(url, json=order_body, headers=headers, trust_env=False)
        assert (again.status_code, again.json()) == (200, booked.json())
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=STOP_S) == 0
    finally:
        second.kill()
        second.wait()
    assert len(ErpBook(config.book_path("erp")).live_orders()) == 1


def test_a_held_call_does_not_keep_a_party_from_stopping(
    make_world: Callable[..., WorldConfig], tmp_path: Path
) -> None:
    port = free_port()
    config = make_world(faults=FaultPlan(rate=1, kinds=(FaultKind.TIMEOUT_BEFORE,), hold_s=60))
    config = replace(config, erp=replace(config.erp, port=port))
    save_world(config, tmp_path / "world.json")
    process = start(tmp_path / "world.json", "run_erp(c)", port)
    try:
        token = resolve_secret(config.erp.token).reveal()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            head = f"GET /v1/orders?reference=R HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
            raw.sendall(head.encode())
            book = ErpBook(config.book_path("erp"))
            deadline = time.monotonic() + START_S
            while not book.faults() and time.monotonic() < deadline:
                time.sleep(0.02)  # until the ERP has noted the call that it now holds
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=STOP_S) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("book", ["erp", "channels"])
def test_a_world_that_never_ran_has_no_books(book: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has the world been run"):
        ErpBook(tmp_path / f"{book}.sqlite")
