-- How far each channel account was polled. One row an account; a window under way is resumed page by page.

CREATE TABLE poll_windows (
    account     text PRIMARY KEY,
    done_until  timestamptz NOT NULL,      -- what changed before was asked for
    since       timestamptz,               -- the window under way, NULL between windows
    until       timestamptz,
    cursor      text NOT NULL DEFAULT '',  -- its next page, "" for the first
    held_until  timestamptz,               -- a poller is at it
    polled_at   timestamptz,               -- the end of the last whole window
    found       bigint NOT NULL DEFAULT 0, -- orders that the channel listed, ever
    missed      bigint NOT NULL DEFAULT 0, -- of these, revisions that no message had brought
    last_error  text NOT NULL DEFAULT ''
);
