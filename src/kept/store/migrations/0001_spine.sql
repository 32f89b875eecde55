-- The spine: inbox, orders and their parts, ledger, deliveries, effects, stock, dead letters.
-- Rows are written in sets; ids come from sequences in blocks, so gaps are ordinary. Columns that change
-- with every step stand in no index, so that an update stays within its page.

CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    prefix   text NOT NULL  -- begins every reference that the outside knows, so that two installations never meet
);

CREATE SEQUENCE delivery_ids INCREMENT BY 1000;
CREATE SEQUENCE order_ids INCREMENT BY 100;
CREATE SEQUENCE part_ids INCREMENT BY 100;
CREATE SEQUENCE message_ids INCREMENT BY 100;
CREATE SEQUENCE sscc_serials INCREMENT BY 100;

-- Every authentic message as it came. The unique key is the sender's own id of it.
CREATE TABLE inbox (
    id             bigint PRIMARY KEY,
    source         text NOT NULL,          -- channel account or centre
    source_kind    text NOT NULL CHECK (source_kind IN ('channel', 'centre')),
    external_key   text NOT NULL,
    headers        jsonb NOT NULL,
    body           bytea STORAGE EXTERNAL NOT NULL,  -- compressing it costs more than everything else of an intake
    correlation_id text NOT NULL,
    received_at    timestamptz NOT NULL,
    UNIQUE (source, external_key)
);

-- What a message came to, once it is processed. Apart from the inbox, whose wide rows never change.
CREATE TABLE message_ends (
    message_id   bigint PRIMARY KEY,
    order_id     bigint,
    outcome      text NOT NULL,
    processed_at timestamptz NOT NULL
);
CREATE INDEX message_ends_order ON message_ends (order_id) WHERE order_id IS NOT NULL;

-- A channel message's canonical content; immutable. An order's content in force is that of its message_id.
CREATE TABLE contents (
    message_id bigint PRIMARY KEY,
    content    bytea NOT NULL              -- JSON of kept.domain.order.OrderContent
);

-- Refused at the door: only counted.
CREATE TABLE intake_refusals (
    day    date NOT NULL,
    source text NOT NULL,
    reason text NOT NULL,
    count  bigint NOT NULL,
    PRIMARY KEY (day, source, reason)
);

CREATE TABLE orders (
    id             bigint PRIMARY KEY,
    reference      text NOT NULL UNIQUE,
    account        text NOT NULL,
    external_id    text NOT NULL,
    number         text NOT NULL,
    state          text NOT NULL,
    seq            integer NOT NULL,       -- of the last fact
    revision       bigint NOT NULL,
    message_id     bigint NOT NULL,
    currency       text NOT NULL,
    total_minor    bigint NOT NULL,
    ship_by        timestamptz NOT NULL,
    customer_id    text NOT NULL DEFAULT '',
    erp_order_id   text NOT NULL DEFAULT '',
    correlation_id text NOT NULL,
    received_at    timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    UNIQUE (account, external_id)
) WITH (fillfactor = 50);

CREATE TABLE order_lines (
    order_id  bigint NOT NULL,
    line_no   integer NOT NULL,
    sku       text NOT NULL,
    ordered   integer NOT NULL,
    cancelled integer NOT NULL DEFAULT 0,
    shipped   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, line_no)
) WITH (fillfactor = 50);

CREATE TABLE parts (
    id           bigint PRIMARY KEY,
    order_id     bigint NOT NULL,
    number       integer NOT NULL,
    centre       text NOT NULL,
    service      text NOT NULL,
    state        text NOT NULL,
    ships_at     timestamptz NOT NULL,
    sscc         text NOT NULL DEFAULT '',
    label_sha256 text NOT NULL DEFAULT '',
    shipment     jsonb,                     -- the centre's PartShipped, as it packed
    updated_at   timestamptz NOT NULL,
    UNIQUE (order_id, number)
) WITH (fillfactor = 50);

CREATE TABLE part_lines (
    order_id bigint NOT NULL,
    number   integer NOT NULL,
    line_no  integer NOT NULL,
    sku      text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    shipped  integer NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, number, line_no)
) WITH (fillfactor = 50);

-- Append-only facts, gapless per order. `state` is the order's or, with `part`, the part's after the fact.
CREATE TABLE ledger (
    order_id       bigint NOT NULL,
    seq            integer NOT NULL,
    at             timestamptz NOT NULL,
    type           text NOT NULL,
    part           integer,
    state          text NOT NULL,
    step           text NOT NULL,
    delivery_id    bigint NOT NULL,
    epoch          integer NOT NULL,
    correlation_id text NOT NULL,
    data           jsonb NOT NULL,
    PRIMARY KEY (order_id, seq)
);

-- What must happen next. One row a subject at most; gone when the step is done.
CREATE TABLE deliveries (
    id             bigint PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('message', 'order', 'part')),
    subject_id     bigint NOT NULL,
    order_id       bigint,
    step           text NOT NULL,
    urgency        smallint NOT NULL,
    deadline       timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    queued_at      timestamptz DEFAULT now(),  -- rung for; NULL: the relay has to
    attempts       integer NOT NULL DEFAULT 0,
    waiting_since  timestamptz,
    epoch          integer NOT NULL DEFAULT 0,
    claimed_until  timestamptz,
    correlation_id text NOT NULL,
    last_error     text NOT NULL DEFAULT '',
    UNIQUE (kind, subject_id)
) WITH (fillfactor = 50);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE queued_at IS NULL;

-- Changes outside, written ahead of being sent.
CREATE TABLE effects (
    key            text PRIMARY KEY,
    order_id       bigint,
    target         text NOT NULL,
    operation      text NOT NULL,
    request_hash   text NOT NULL,
    status         text NOT NULL CHECK (status IN ('intended', 'confirmed', 'refused', 'unknown')),
    attempt        integer NOT NULL,
    first_sent_at  timestamptz NOT NULL,
    last_sent_at   timestamptz NOT NULL,
    downstream_id  text NOT NULL DEFAULT '',
    answer         bytea,
    correlation_id text NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX effects_order ON effects (order_id);

CREATE TABLE effect_attempts (
    key           text NOT NULL,
    attempt       integer NOT NULL,
    epoch         integer NOT NULL,
    at            timestamptz NOT NULL,
    duration_ms   integer NOT NULL,
    status        text NOT NULL,
    adopted       boolean NOT NULL,
    downstream_id text NOT NULL,
    error         text NOT NULL
);
CREATE INDEX effect_attempts_key ON effect_attempts (key);

-- Every HTTP call made for an order, without bodies.
CREATE TABLE calls (
    order_id       bigint,
    delivery_id    bigint NOT NULL,
    step           text NOT NULL,
    at             timestamptz NOT NULL,
    target         text NOT NULL,
    operation      text NOT NULL,
    status         integer,
    duration_ms    integer NOT NULL,
    error          text NOT NULL,
    correlation_id text NOT NULL
);
CREATE INDEX calls_order ON calls (order_id);

-- Pieces on the shelves and pieces promised. `reserved` is the sum of the open parts' lines.
CREATE TABLE stock (
    centre   text NOT NULL,
    sku      text NOT NULL,
    on_hand  integer NOT NULL,
    reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    opening  integer NOT NULL,
    as_of    timestamptz NOT NULL,         -- of the newest snapshot in it
    PRIMARY KEY (centre, sku)
) WITH (fillfactor = 50);

-- Every change to on_hand, so that opening + moves = on_hand.
CREATE TABLE stock_moves (
    centre   text NOT NULL,
    sku      text NOT NULL,
    delta    integer NOT NULL,
    reason   text NOT NULL,
    order_id bigint,
    at       timestamptz NOT NULL
);
CREATE INDEX stock_moves_sku ON stock_moves (centre, sku, at);

CREATE TABLE documents (
    sha256     text NOT NULL,
    order_id   bigint NOT NULL,
    part       integer NOT NULL,
    kind       text NOT NULL,
    media_type text NOT NULL,
    content    bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, part, kind, media_type, sha256)
);

-- SSCCs ever used: never reused.
CREATE TABLE cartons (
    sscc     text PRIMARY KEY,
    order_id bigint NOT NULL,
    part     integer NOT NULL
);

-- What needs a person. Never deleted.
CREATE TABLE dead_letters (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL,
    subject_id     bigint NOT NULL,
    order_id       bigint,
    step           text NOT NULL,
    code           text NOT NULL,
    reason         text NOT NULL,
    attempts       integer NOT NULL,
    urgency        smallint NOT NULL,
    deadline       timestamptz NOT NULL,
    correlation_id text NOT NULL,
    died_at        timestamptz NOT NULL,
    resolved_at    timestamptz,
    resolution     text
);
CREATE INDEX dead_letters_open ON dead_letters (died_at) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_subject ON dead_letters (kind, subject_id);

CREATE TABLE audit_log (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    actor  text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL
);
