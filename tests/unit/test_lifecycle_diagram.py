"""docs/lifecycle.md says what the tables say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kept.domain.lifecycle import MESSAGE_TRANSITIONS, ORDER_TRANSITIONS, PART_TRANSITIONS

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "lifecycle_diagram.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lifecycle_diagram", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    ran = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_page_that_drifted_or_is_missing_fails_the_check(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "lifecycle.md"
    monkeypatch.setattr(script, "PAGE", page)
    assert script.main(["--check"]) == 1
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
    page.write_text(page.read_text(encoding="utf-8") + "drift", encoding="utf-8")
    assert script.main(["--check"]) == 1
    assert "differs from the tables" in capsys.readouterr().err


def test_an_unknown_option_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--chek"]) == 2
    assert "usage" in capsys.readouterr().err


def test_every_transition_is_drawn_or_named_as_possible_everywhere(script: ModuleType) -> None:
    page = script.page()
    drawn = {
        (arrow.strip(), event.strip())
        for line in page.splitlines()
        if " --> " in line and ": " in line
        for arrow, _, events in [line.partition(": ")]
        for event in events.split(",")
    }
    for table in (MESSAGE_TRANSITIONS, ORDER_TRANSITIONS, PART_TRANSITIONS):
        for (source, event), target in table.items():
            everywhere = f"`{event}` may be recorded" in page and source is target
            assert (f"{source.value} --> {target.value}", event) in drawn or everywhere
