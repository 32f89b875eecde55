-- What a channel account's SKUs are in ours. A kit has several components; the first one leads.

CREATE TABLE sku_map (
    account     text NOT NULL,
    channel_sku text NOT NULL,
    components  jsonb NOT NULL,            -- JSON of a list of kept.domain.skus.Component
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (account, channel_sku)
);
