"""PostgreSQL, the truth: the only SQL of Kept."""
