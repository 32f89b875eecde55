-- Operators' words come through the inbox as well; an order remembers why we cancel it, and which holds were let go.
ALTER TABLE inbox DROP CONSTRAINT inbox_source_kind_check;
ALTER TABLE inbox ADD CONSTRAINT inbox_source_kind_check CHECK (source_kind IN ('channel', 'centre', 'operator'));
ALTER TABLE orders ADD COLUMN cancel_reason text NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN accepted_holds text[] NOT NULL DEFAULT '{}';
