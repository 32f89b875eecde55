"""The servers that everything is measured on: embedded PostgreSQL and Redis, fsync on, in a fresh folder."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kept.embedded.postgres import EmbeddedPostgres
from kept.embedded.redis import EmbeddedRedis


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they are."""

    dsn: str
    redis_url: str
    bin_dir: Path


@contextlib.contextmanager
def fresh_servers() -> Iterator[Servers]:
    """Both servers, empty; destroyed at the end."""
    with tempfile.TemporaryDirectory(prefix="kept-bench-") as folder:
        postgres, redis = EmbeddedPostgres(Path(folder)), EmbeddedRedis(Path(folder))
        try:
            yield Servers(postgres.start(), redis.start(), postgres.bin_dir)
        finally:
            postgres.destroy()
            redis.destroy()
