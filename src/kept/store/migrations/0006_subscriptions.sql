-- Events out: the one order in which facts are published, and who is told of them.

-- The transaction that wrote the fact. Transactions commit in another order than they begin in, so what is new
-- is told by this and never by a serial number; facts from before this migration carry the migration's own.
-- A block-range index costs an appended row next to nothing.
ALTER TABLE ledger ADD COLUMN xact bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint);
CREATE INDEX ledger_xact ON ledger USING brin (xact) WITH (pages_per_range = 16, autosummarize = on);

-- How far the ledger is published: every transaction before `done_until` but those in `still_open`, which were
-- not over then. 0: nothing yet, or begin anew.
CREATE TABLE publishing (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position   bigint NOT NULL,            -- of the newest publication
    done_until bigint NOT NULL,
    still_open bigint[] NOT NULL
);
INSERT INTO publishing (position, done_until, still_open) VALUES (0, 0, '{}');

-- The feed: published facts in the order in which they became visible, within an order by seq. Positions are
-- given by one publisher at a time, so that none appears below one that was read. Gaps are ordinary.
CREATE TABLE publications (
    position bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    seq      integer NOT NULL,
    type     text NOT NULL,                -- the ledger's
    account  text NOT NULL,
    at       timestamptz NOT NULL,
    UNIQUE (order_id, seq)
);
CREATE INDEX publications_at ON publications USING brin (at) WITH (autosummarize = on);

CREATE TABLE subscriptions (
    id            text PRIMARY KEY,
    url           text NOT NULL,
    types         text[] NOT NULL,         -- public types; none: all
    accounts      text[] NOT NULL,         -- none: all
    personal_data boolean NOT NULL,
    secrets       text[] NOT NULL,         -- references (env:NAME, file:PATH), never values
    state         text NOT NULL CHECK (state IN ('active', 'paused')),
    why           text NOT NULL DEFAULT '',
    since         timestamptz NOT NULL,    -- in this state
    position      bigint NOT NULL,         -- everything up to here was delivered or stands in a lane
    failures      integer NOT NULL DEFAULT 0,  -- of the endpoint, in a row
    last_error    text NOT NULL DEFAULT '',
    retry_at      timestamptz NOT NULL,    -- nothing is sent before
    epoch         integer NOT NULL DEFAULT 0,  -- rises with each claim and each change by a person
    held_until    timestamptz,             -- a notifier is at it
    created_at    timestamptz NOT NULL
);

-- An order's events from `position` on, which wait because the endpoint did not take one of them.
CREATE TABLE lanes (
    subscription_id text NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    order_id        bigint NOT NULL,
    position        bigint NOT NULL,
    attempts        integer NOT NULL,
    due_at          timestamptz,           -- NULL: given up until a person resumes it
    last_error      text NOT NULL,
    PRIMARY KEY (subscription_id, order_id)
);
CREATE INDEX lanes_due ON lanes (subscription_id, due_at);

-- Single events that a person wants to be sent again.
CREATE TABLE redeliveries (
    subscription_id text NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    position        bigint NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    PRIMARY KEY (subscription_id, position)
);

-- Every try to deliver an event, kept for some days.
CREATE TABLE notifications (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id text NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    position        bigint NOT NULL,
    at              timestamptz NOT NULL,
    attempt         integer NOT NULL,
    status          integer,               -- NULL: there was no answer
    duration_ms     integer NOT NULL,
    error           text NOT NULL          -- "": delivered
);
CREATE INDEX notifications_subscription ON notifications (subscription_id, id);
