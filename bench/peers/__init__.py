"""The same eight durable steps an order, written as one task per step on the systems Kept is compared with.

`minimal` is the work of one step, alike for all; `measurement` is the clock, alike for all; `celery_peer` and
`dbos_peer` are the two peers; `pgbench_floor` is what PostgreSQL alone can do. Nothing here is imported by Kept.
"""
