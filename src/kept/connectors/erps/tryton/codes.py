"""Tryton's words: its errors, and the states of its documents with the step that moves each on.

Source: trytond 8.2 (exceptions.py; modules sale/sale.py and stock/shipment.py).
"""

from __future__ import annotations

from kept.connectors.meanings import Meaning

# By the exception's name, which comes first in a JSON-RPC error; its text is in the user's language.
ERRORS: dict[str, Meaning] = {
    "UserError": Meaning.PERMANENT,  # a rule of the model, of access or of the database
    "UserWarning": Meaning.PERMANENT,  # a question that a person would have to answer
    "LoginException": Meaning.AUTH,
    "ConcurrencyException": Meaning.TEMPORARY,  # the record has changed since we read it
}

# A sale's state, and the button that brings it on to being booked; "" where it is.
BOOKING: dict[str, str] = {
    "draft": "quote",
    "quotation": "confirm",
    "confirmed": "",  # Tryton processes it by itself, at once or after the configured delay
    "processing": "",
    "done": "",
}

# States of a sale that nothing may ship on yet, and of one that nothing will.
BEGUN, CANCELLED = frozenset({"draft", "quotation"}), "cancelled"
# A stock move's states after which it moves no more, the first one with the goods where they were to go.
MOVED, ENDED = "done", frozenset({"done", "cancelled"})
# Invoices that count.
POSTED_INVOICE = frozenset({"posted", "paid"})

# A shipment's states before the goods have left, in their order; the steps are in shipping.py.
OPEN_SHIPMENT = frozenset({"draft", "waiting", "assigned", "picked", "packed"})
SENT_SHIPMENT = frozenset({"shipped", "done"})
SHIPMENT_STATES = OPEN_SHIPMENT | SENT_SHIPMENT | {"cancelled"}

# Invoices that can still be cancelled without a credit note.
OPEN_INVOICE = frozenset({"draft", "validated"})
