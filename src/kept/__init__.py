"""Kept: an order-orchestration backbone. Start reading at `kept.flow`."""
