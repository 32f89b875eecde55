"""Walmart Marketplace, by its API of version 3: orders in."""
