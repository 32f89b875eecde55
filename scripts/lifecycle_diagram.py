"""Write docs/lifecycle.md from the transition tables; with --check, only say whether it is up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from kept.domain.lifecycle import (
    MESSAGE_TRANSITIONS,
    ORDER_TRANSITIONS,
    PART_TRANSITIONS,
    STEP_OF_STATE,
    TERMINAL,
    WAITING,
    MessageState,
    OrderState,
    PartState,
    State,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lifecycle.md"
HEAD = """\
# Lifecycles

Made by `python scripts/lifecycle_diagram.py` from the tables in `src/kept/domain/lifecycle.py`; a test fails when
the two differ, so change the tables and run it again. What is not drawn here can't happen: there is no way round
the tables.
"""

# What stands above each diagram: title, what it is of, its first states.
Section = tuple[str, str, type[Enum], Mapping[Any, Any], tuple[State, ...]]
SECTIONS: tuple[Section, ...] = (
    (
        "Messages",
        "A channel's message starts as `received`, a centre's as `arrived`, an operator's as `instructed`.",
        MessageState,
        MESSAGE_TRANSITIONS,
        (MessageState.RECEIVED, MessageState.ARRIVED, MessageState.INSTRUCTED),
    ),
    (
        "Orders",
        "How much of an order has shipped is told by its lines' quantities, not by a state.",
        OrderState,
        ORDER_TRANSITIONS,
        (OrderState.UNACKNOWLEDGED, OrderState.RECEIVED),
    ),
    (
        "Parts",
        "A part is a fulfilment order: what one centre is to ship of an order. Each goes its own way.",
        PartState,
        PART_TRANSITIONS,
        (PartState.PLANNED,),
    ),
)


def main(arguments: list[str]) -> int:
    """Write the page, or with --check compare it; the exit status says whether it differed."""
    if arguments not in ([], ["--check"]):
        print("usage: lifecycle_diagram.py [--check]", file=sys.stderr)
        return 2
    wanted = page()
    if not arguments:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{PAGE} differs from the tables: run `python scripts/lifecycle_diagram.py`", file=sys.stderr)
    return 1


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *("\n".join(_section(*section)) for section in SECTIONS)])


def _section(title: str, about: str, states: type[Enum], table: Mapping[Any, Any], first: Iterable[State]) -> list[str]:
    everywhere = _everywhere(states, table)
    lines = [f"## {title}", "", about, "", "```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state.value}" for state in first]
    for (source, target), events in _arrows(table, everywhere).items():
        lines.append(f"    {source} --> {target}: {', '.join(events)}")
    lines += [f"    {state.value} --> [*]" for state in states if state in TERMINAL]
    lines += ["```", ""]
    if everywhere:
        lines += [f"In every state {_listed(everywhere)} may be recorded as well, and changes nothing.", ""]
    lines += ["| state | moved on by |", "|---|---|"]
    lines += [f"| `{state.value}` | {_mover(state)} |" for state in states]
    return [*lines, ""]


def _everywhere(states: type[Enum], table: Mapping[Any, Any]) -> list[str]:
    """Events that leave every state as it is: drawn, they would hide all else."""
    events = dict.fromkeys(event for _, event in table)
    return [event for event in events if all(table.get((state, event)) is state for state in states)]


def _arrows(table: Mapping[Any, Any], left_out: list[str]) -> dict[tuple[str, str], list[str]]:
    """Events by (source, target), in the tables' order."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (source, event), target in table.items():
        if event not in left_out:
            arrows.setdefault((source.value, target.value), []).append(event)
    return arrows


def _mover(state: Any) -> str:
    if state in STEP_OF_STATE:
        return f"step `{STEP_OF_STATE[state]}`"
    return "nobody: terminal" if state in TERMINAL else f"waits for {WAITING[state]}"


def _listed(events: list[str]) -> str:
    return " and ".join(f"`{event}`" for event in events)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
