"""The API, served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api.serving import Api, serving_api, settings_for


@pytest.fixture
async def api(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    """Without an API key: this machine may use everything."""
    async with serving_api(settings_for(tmp_path, database_url, redis_url)) as running:
        yield running


@pytest.fixture
async def locked_api(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    """With the API key `sesame`."""
    async with serving_api(settings_for(tmp_path, database_url, redis_url, api_key="sesame")) as running:
        yield running


@pytest.fixture
async def tight_api(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    """With bodies of at most 10,000 bytes."""
    async with serving_api(settings_for(tmp_path, database_url, redis_url, body_bytes_max=10_000)) as running:
        yield running
