"""Which size runs, and the installations that tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.installation import Installation, Plan

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the full size unless `-m full` or KEPT_CHAOS=full asks for it."""
    if "full" in config.getoption("markexpr", "") or os.environ.get("KEPT_CHAOS") == "full":
        return
    left_out = [item for item in items if item.path.is_relative_to(_HERE) and item.get_closest_marker("full")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@dataclass
class Installations:
    """The installation that stands: tests of one plan share it, as long as each leaves it sound."""

    folders: pytest.TempPathFactory
    standing: Installation | None = None

    def get(self, plan: Plan) -> Installation:
        """An installation of that plan on which the last audit held."""
        if self.standing is not None and (self.standing.plan != plan or not self.standing.sound):
            self.close()
        if self.standing is None:
            self.standing = Installation.start(plan, self.folders.mktemp("installation"))
        self.standing.sound = False
        return self.standing

    def close(self) -> None:
        if self.standing is not None:
            self.standing.close()
            self.standing = None


@pytest.fixture(scope="package")
def installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installations]:
    """At most one installation at a time; the last is stopped after the folder's last test."""
    kept = Installations(tmp_path_factory)
    yield kept
    kept.close()
