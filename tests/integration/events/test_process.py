"""`kept notifier` as a process: killed while an endpoint has its event, its successor tells it again, in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.events.conftest import Notifying
from tests.integration.events.listening import SECRET, Listener
from tests.servers import DEADLINE_S, until


@contextlib.asynccontextmanager
async def notifier_process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kept", "notifier", stdout=-3, stderr=-3, stdin=-3, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def environment(tmp_path: Path, database_url: str, redis_url: str) -> dict[str, str]:
    config = tmp_path / "kept.toml"
    config.write_text('[events]\nallowed_networks = ["127.0.0.0/8"]\n', encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEPT_")}
    return inherited | {
        "KEPT_DATABASE_URL": database_url,
        "KEPT_REDIS_URL": redis_url,
        "KEPT_CONFIG": str(config),
        "KEPT_TEST_SECRET": SECRET,
    }


async def test_a_killed_notifiers_work_is_taken_over_and_a_stopped_one_ends_in_peace(
    notifying: Notifying, listener: Listener, environment: dict[str, str]
) -> None:
    await notifying.subscribe(listener.url)
    (name,) = await notifying.orders(1)
    listener.gate.clear()
    async with notifier_process(environment) as killed:
        await until(lambda: listener.heard)
        killed.kill()
        await killed.wait()
    listener.gate.set()
    await notifying.end_leases()
    async with notifier_process(environment) as successor:
        await until(lambda: listener.sequences(name) == [1, 1, 2])
        (later,) = await notifying.orders(1)
        await until(lambda: listener.sequences(later) == [1, 2])
        successor.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await successor.wait() == 0
    assert (await notifying.shown("sub_1"))["blocked_orders"] == 0
