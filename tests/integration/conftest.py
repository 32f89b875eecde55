"""The command, on the test's own database and queue."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.kept_command import Kept


@pytest.fixture
def kept(tmp_path: Path, database_url: str, redis_url: str) -> Kept:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEPT_")}
    return Kept(
        {
            **inherited,
            "KEPT_HOME": str(tmp_path / "home"),
            "KEPT_DATABASE_URL": database_url,
            "KEPT_REDIS_URL": redis_url,
        }
    )
