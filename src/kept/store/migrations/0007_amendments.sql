-- An edit after routing amends the order: which version of its content is in force, which one the ERP has, and our
-- numbers of the content's lines where the channel numbers them otherwise. `revision` is the newest heard of.
ALTER TABLE orders ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE orders ADD COLUMN booked_version integer NOT NULL DEFAULT 1;
ALTER TABLE orders ADD COLUMN numbering integer[] NOT NULL DEFAULT '{}';
