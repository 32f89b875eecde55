"""Shipments that a channel was told of, in the channel's book."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """A shipment as the channel has it. `reference` is what Kept named it by: tracking, or fulfilment_ref."""

    shipment_id: str
    account: str
    external_id: str
    reference: str
    company: str
    pieces: Mapping[str, int]  # line id -> pieces


def record_fulfilment(
    db: sqlite3.Connection, fulfilment: Fulfilment, *, key: str, sha256: str, at: float
) -> Fulfilment:
    """Store it and give it its id."""
    number: int = db.execute("SELECT coalesce(max(id), 0) + 1 FROM fulfilments").fetchone()[0]
    made = replace(fulfilment, shipment_id=str(7_000_000_000 + number))
    db.execute(
        "INSERT INTO fulfilments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, made.account, made.external_id, made.shipment_id, made.reference, made.company, key, sha256, at),
    )
    db.executemany(
        "INSERT INTO fulfilment_lines VALUES (?, ?, ?)",
        [(number, line_id, quantity) for line_id, quantity in made.pieces.items()],
    )
    return made


def fulfilments_of(db: sqlite3.Connection, account: str, external_id: str) -> Sequence[Fulfilment]:
    """An order's shipments, oldest first."""
    rows = db.execute(
        "SELECT id, shipment_id, reference, company FROM fulfilments WHERE account = ? AND external_id = ? ORDER BY id",
        (account, external_id),
    ).fetchall()
    return [
        Fulfilment(
            shipment_id,
            account,
            external_id,
            reference,
            company,
            dict(
                db.execute("SELECT line_id, quantity FROM fulfilment_lines WHERE fulfilment = ?", (number,)).fetchall()
            ),
        )
        for number, shipment_id, reference, company in rows
    ]


def fulfilment_of(db: sqlite3.Connection, account: str, shipment_id: str) -> Fulfilment | None:
    """The shipment of that id."""
    row = db.execute(
        "SELECT external_id FROM fulfilments WHERE account = ? AND shipment_id = ?", (account, shipment_id)
    ).fetchone()
    of_order = fulfilments_of(db, account, row[0]) if row else ()
    return next((each for each in of_order if each.shipment_id == shipment_id), None)


def confirmed_pieces(db: sqlite3.Connection, account: str, external_id: str) -> dict[str, int]:
    """Pieces confirmed so far, by line id."""
    pieces: dict[str, int] = {}
    for fulfilment in fulfilments_of(db, account, external_id):
        for line_id, quantity in fulfilment.pieces.items():
            pieces[line_id] = pieces.get(line_id, 0) + quantity
    return pieces
