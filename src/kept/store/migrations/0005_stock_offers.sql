-- What each channel account was last told of each of its SKUs. Rows appear when there is something to tell.
CREATE TABLE stock_offers (
    account    text NOT NULL,
    sku        text NOT NULL,             -- the channel's own
    told       integer,                   -- NULL: nothing, or there is no telling what arrived
    told_at    timestamptz,
    refused    integer,                   -- the quantity that it would not take, NULL if it took the last one
    reason     text NOT NULL DEFAULT '',
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (account, sku)
);

-- Whose turn it is to push to an account; `number` counts the pushes and names them.
CREATE TABLE stock_pushes (
    account    text PRIMARY KEY,
    held_until timestamptz,
    number     bigint NOT NULL DEFAULT 0,
    pushed_at  timestamptz,
    last_error text NOT NULL DEFAULT ''
);
