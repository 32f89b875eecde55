"""PostgreSQL's own invariants: each a query that finds nothing while all is well. Read-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kept.domain.lifecycle import RESERVING, STEP_OF_STATE, TERMINAL, OrderState, PartState
from kept.domain.public_events import PUBLISHED
from kept.store.database import Database

# Rows shown of a breach; the count is always whole.
_EXAMPLES = 5


def _states(states: Any) -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(states, key=lambda state: state.value))


_ORDER_STEPS = _states(state for state in STEP_OF_STATE if isinstance(state, OrderState))
_PART_STEPS = _states(state for state in STEP_OF_STATE if isinstance(state, PartState))
_PART_ENDS = _states(state for state in TERMINAL if isinstance(state, PartState))

_PUBLISHED = ", ".join(f"'{kind}'" for kind in sorted(PUBLISHED))

INVARIANTS: Mapping[str, str] = {
    "facts are gapless per order": """
        SELECT order_id FROM ledger GROUP BY order_id
        HAVING min(seq) <> 1 OR max(seq) <> count(*)
        UNION SELECT o.id FROM orders o WHERE o.seq <> (SELECT count(*) FROM ledger l WHERE l.order_id = o.id)""",
    "an order's state is its last fact's": """
        SELECT o.id FROM orders o JOIN LATERAL (
            SELECT state FROM ledger l WHERE l.order_id = o.id AND part IS NULL ORDER BY seq DESC LIMIT 1
        ) f ON true WHERE f.state <> o.state""",
    "a part's state is its last fact's": """
        SELECT p.id FROM parts p JOIN LATERAL (
            SELECT state FROM ledger l WHERE l.order_id = p.order_id AND part = p.number ORDER BY seq DESC LIMIT 1
        ) f ON true WHERE f.state <> p.state""",
    "the feed tells an order's facts in their order": """
        SELECT order_id FROM (
            SELECT order_id, position, lag(position) OVER (PARTITION BY order_id ORDER BY seq) AS before
            FROM publications
        ) p WHERE position < before""",
    "the feed leaves out no fact before one that it tells": f"""
        SELECT l.order_id, l.seq FROM ledger l
        JOIN (SELECT order_id, max(seq) AS seq FROM publications GROUP BY 1) p ON p.order_id = l.order_id
        WHERE l.seq < p.seq AND l.type IN ({_PUBLISHED})
        AND NOT EXISTS (SELECT 1 FROM publications e WHERE e.order_id = l.order_id AND e.seq = l.seq)""",
    "an order that a step must move has a delivery or a dead letter": f"""
        SELECT o.id, o.state FROM orders o WHERE o.state IN ({_ORDER_STEPS})
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = 'order' AND d.subject_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.kind = 'order' AND l.subject_id = o.id
                        AND l.resolved_at IS NULL)""",
    "a part that a step must move has a delivery or a dead letter": f"""
        SELECT p.id, p.state FROM parts p WHERE p.state IN ({_PART_STEPS})
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = 'part' AND d.subject_id = p.id)
        AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.kind = 'part' AND l.subject_id = p.id
                        AND l.resolved_at IS NULL)""",
    "an order that waits for its parts has an open one": f"""
        SELECT o.id, o.state FROM orders o WHERE o.state IN ('booked', 'amending', 'cancelling')
        AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.order_id = o.id AND p.state NOT IN ({_PART_ENDS}))""",
    "an accepted message is processed, on its way or dead": """
        SELECT i.id FROM inbox i WHERE NOT EXISTS (SELECT 1 FROM message_ends e WHERE e.message_id = i.id)
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = 'message' AND d.subject_id = i.id)
        AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.kind = 'message' AND l.subject_id = i.id)""",
    "no line shipped or cancelled beyond what was ordered": """
        SELECT order_id, line_no FROM order_lines
        WHERE shipped > ordered OR cancelled < 0 OR shipped + cancelled > ordered""",
    "a line's shipped pieces are its parts'": """
        SELECT l.order_id, l.line_no FROM order_lines l LEFT JOIN (
            SELECT order_id, line_no, sum(shipped) AS shipped FROM part_lines GROUP BY 1, 2
        ) p USING (order_id, line_no) WHERE l.shipped <> coalesce(p.shipped, 0)""",
    "stock is never below zero nor promised beyond what is there": """
        SELECT centre, sku, on_hand, reserved FROM stock WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand""",
    "reserved stock is what open parts hold": f"""
        SELECT centre, sku, s.reserved, p.held FROM stock s FULL JOIN (
            SELECT p.centre, l.sku, sum(l.quantity) AS held FROM parts p
            JOIN part_lines l USING (order_id, number) WHERE p.state IN ({_states(RESERVING)}) GROUP BY 1, 2
        ) p USING (centre, sku) WHERE coalesce(s.reserved, 0) <> coalesce(p.held, 0)""",
    "stock is conserved: opening and moves make what is on hand": """
        SELECT centre, sku FROM stock s LEFT JOIN (
            SELECT centre, sku, sum(delta) AS moved FROM stock_moves GROUP BY 1, 2
        ) m USING (centre, sku) WHERE s.on_hand <> s.opening + coalesce(m.moved, 0)""",
    "one effect key has one document downstream": """
        SELECT key FROM effect_attempts WHERE downstream_id <> '' GROUP BY key
        HAVING count(DISTINCT downstream_id) > 1""",
    "no effect is left unresolved": """
        SELECT key, status FROM effects e WHERE status IN ('intended', 'unknown')
        AND last_sent_at < now() - interval '15 minutes'
        AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.order_id = e.order_id AND l.resolved_at IS NULL)
        AND EXISTS (SELECT 1 FROM deliveries d WHERE d.order_id = e.order_id)""",
    "one epoch of a delivery writes, and no older one after it": """
        SELECT delivery_id FROM ledger GROUP BY delivery_id HAVING count(DISTINCT epoch) > 1""",
    "nothing that is due stays unrung": """
        SELECT id, step FROM deliveries WHERE queued_at IS NULL AND due_at < now() - interval '1 minute'""",
}


async def breaches(database: Database) -> dict[str, tuple[int, list[str]]]:
    """Invariants that do not hold: how many rows break each, and a few of them."""
    found: dict[str, tuple[int, list[str]]] = {}
    # One snapshot for all: what a commit writes together is seen together.
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for name, sql in INVARIANTS.items():
            rows = await connection.fetch(sql)
            if rows:
                found[name] = (len(rows), [str(dict(row)) for row in rows[:_EXAMPLES]])
    return found
