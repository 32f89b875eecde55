"""Where the recorded payloads and the vendors' specifications lie: beside the repository, never in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


def shared_fixtures(*parts: str) -> Path:
    """A path under the shared fixtures (`KEPT_FIXTURES`, else ../shared/fixtures); skips the test without it."""
    return _existing(_folder("KEPT_FIXTURES", "fixtures"), parts)


def shared_specs(*parts: str) -> Path:
    """A path under the vendors' specifications (`KEPT_SPECS`, else ../shared/specs); skips without it."""
    return _existing(_folder("KEPT_SPECS", "specs"), parts)


def _folder(variable: str, name: str) -> Path:
    configured = os.environ.get(variable)
    return Path(configured) if configured else _ROOT.parent / "shared" / name


def _existing(folder: Path, parts: tuple[str, ...]) -> Path:
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there; the shared fixtures lie outside the repository", allow_module_level=True)
    return path
