"""`python -m kept.embedded FOLDER`: delete what both embedded servers keep for that data folder (`make clean`)."""

from __future__ import annotations

import sys
from pathlib import Path

from kept.embedded.postgres import EmbeddedPostgres
from kept.embedded.redis import EmbeddedRedis

if __name__ == "__main__":
    for server in (EmbeddedPostgres, EmbeddedRedis):
        server(Path(sys.argv[1])).destroy()
