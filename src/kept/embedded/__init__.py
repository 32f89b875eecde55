"""PostgreSQL and Redis started from wheels, for one machine where none is configured.

    with EmbeddedPostgres(Path(".kept")) as postgres, EmbeddedRedis(Path(".kept")) as redis:
        ...  # postgres.dsn, redis.url

Both are real servers with durable storage, children of the calling process: they stop when it stops, also
when it is killed. They trust whoever reaches 127.0.0.1, so they are for a machine whose users trust each other.
"""

from kept.embedded.errors import EmbeddedError
from kept.embedded.ports import free_port
from kept.embedded.postgres import EmbeddedPostgres
from kept.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedError", "EmbeddedPostgres", "EmbeddedRedis", "free_port"]
