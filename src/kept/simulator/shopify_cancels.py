"""The simulated shop's cancels: orderCancel takes a job on, the job runs a little later, and may fail."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any

from kept.simulator.confirmations import confirmed_pieces
from kept.simulator.payloads import iso
from kept.simulator.times import moment

Json = dict[str, Any]
_FAILURE = {"code": "INVALID", "field": None, "message": "Simulated: the order could not be cancelled."}


@dataclass(frozen=True, slots=True)
class Job:
    """A cancel that was taken on at `due_at` less its delay."""

    job_id: str
    order_id: str
    due_at: float
    failed: bool


def cancelled_at(db: sqlite3.Connection, account: str, order_id: str, now: float) -> float | None:
    """When an order was cancelled by a call, in seconds since 1970; a job that has not run counts for nothing."""
    row = db.execute(
        "SELECT min(due_at) FROM cancel_jobs WHERE account = ? AND external_id = ? AND failed = 0 AND due_at <= ?",
        (account, order_id, now),
    ).fetchone()
    return row[0] if row else None


def begin(db: sqlite3.Connection, account: str, variables: Json, job: Job, now: float) -> Json:
    """orderCancel's answer: the job, or why not."""
    lines = db.execute(
        "SELECT line_id, quantity FROM order_lines WHERE account = ? AND external_id = ?", (account, job.order_id)
    ).fetchall()
    if not lines:
        return _refused("NOT_FOUND", "Order does not exist.")
    queued = db.execute(
        "SELECT 1 FROM cancel_jobs WHERE account = ? AND external_id = ? AND (failed = 0 OR due_at > ?)",
        (account, job.order_id, now),
    ).fetchone()
    if queued:
        return _refused("INVALID", "Cannot cancel an order that is being cancelled or has already been cancelled.")
    if confirmed_pieces(db, account, job.order_id):
        return _refused("INVALID", "Cannot cancel an order that has fulfillments.")
    db.execute(
        "INSERT INTO cancel_jobs VALUES (?, ?, ?, ?, ?)",
        (job.job_id, account, job.order_id, job.due_at, int(job.failed)),
    )
    if not job.failed:
        _put_down(db, account, variables, job, lines)
    order = _order(job, cancelled_at(db, account, job.order_id, now))
    told = {"id": f"gid://shopify/OrderCancelJobResult/{job.job_id}", "order": order, **result(job, now)}
    answer = {
        "job": {"id": f"gid://shopify/Job/{job.job_id}", "done": job.due_at <= now},
        "jobResult": told,
        "orderCancelUserErrors": [],
    }
    return {"orderCancel": answer}


def looked_at(db: sqlite3.Connection, account: str, job_id: str, now: float) -> Json | None:
    """The answer to node(id:) and job(id:), with the order beside it; None for a job that never was."""
    row = db.execute(
        "SELECT external_id, due_at, failed FROM cancel_jobs WHERE account = ? AND job_id = ?", (account, job_id)
    ).fetchone()
    if row is None:
        return None
    job = Job(job_id, row[0], row[1], bool(row[2]))
    found = result(job, now)
    order = _order(job, cancelled_at(db, account, job.order_id, now))
    return {"node": {"__typename": "OrderCancelJobResult", **found}, "job": {"done": found["done"]}, "order": order}


def new_job_id(account: str, order_id: str, at: float) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{account}/{order_id}/{at}"))


def result(job: Job, now: float) -> Json:
    if now < job.due_at:
        return {"done": False, "status": "STARTED", "errors": []}
    if job.failed:
        return {"done": True, "status": "FAILED", "errors": [_FAILURE]}
    return {"done": True, "status": "SUCCEEDED", "errors": []}


def refused_as_cancelled() -> Json:
    """What is said of an order that its buyer has cancelled."""
    return _refused("INVALID", "Cannot cancel an order that has already been cancelled.")


def _order(job: Job, at: float | None) -> Json:
    return {"id": f"gid://shopify/Order/{job.order_id}", "cancelledAt": iso(moment(at)) if at is not None else None}


def _put_down(db: sqlite3.Connection, account: str, variables: Json, job: Job, lines: list[tuple[str, int]]) -> None:
    number: int = db.execute("SELECT coalesce(max(id), 0) + 1 FROM cancellations").fetchone()[0]
    note, reason = str(variables.get("staffNote") or ""), str(variables["reason"])
    db.execute(
        "INSERT INTO cancellations VALUES (?, ?, ?, ?, ?, ?, 1, ?, '', ?)",
        (number, account, job.order_id, job.job_id, note, reason, job.job_id, job.due_at),
    )
    db.executemany("INSERT INTO cancellation_lines VALUES (?, ?, ?)", [(number, *line) for line in lines])


def _refused(code: str, message: str) -> Json:
    error = {"field": ["orderId"], "message": message, "code": code}
    return {"orderCancel": {"job": None, "jobResult": None, "orderCancelUserErrors": [error]}}
