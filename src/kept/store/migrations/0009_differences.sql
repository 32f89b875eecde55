-- What channel, ledger and ERP differ on, as reconciliation found it; a row stays when the difference is gone.
CREATE TABLE differences (
    order_id   bigint NOT NULL REFERENCES orders,
    cause      text NOT NULL,             -- kept.domain.reconciling.Cause
    place      text NOT NULL,             -- "" or "line 2"
    ours       text NOT NULL,
    theirs     text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL,
    repair     text NOT NULL DEFAULT '',  -- what was done about it by itself
    gone_at    timestamptz,
    PRIMARY KEY (order_id, cause, place)
);
CREATE INDEX differences_open ON differences (last_seen) WHERE gone_at IS NULL;
