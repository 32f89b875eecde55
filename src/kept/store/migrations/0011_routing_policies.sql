-- Every policy that orders were routed by, as canonical JSON: decisions name it by its hash.
CREATE TABLE routing_policies (
    sha256     text PRIMARY KEY,
    name       text NOT NULL,
    content    bytea NOT NULL,
    first_seen timestamptz NOT NULL
);
