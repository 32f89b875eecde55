-- Centres that a person took out of routing for a while: nothing new is planned there until they are resumed.
CREATE TABLE centre_pauses (
    centre text PRIMARY KEY,
    reason text NOT NULL,
    by     text NOT NULL,
    since  timestamptz NOT NULL
);
