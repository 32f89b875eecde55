"""The same eight durable steps an order, written as one task per step on the systems Kept is compared with.

`work` is what each step does, alike for all, on the tables of `minimal`; `measurement` is the clock, alike for
all; `celery_peer` and `dbos_peer` are the two peers; `pgbench_floor` is what PostgreSQL alone can do. Nothing here
is imported by Kept.
"""
