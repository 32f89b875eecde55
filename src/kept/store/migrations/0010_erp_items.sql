-- SKUs that the ERP knew and sold, and when it last said so: what orders are routed by while it can't be asked.
CREATE TABLE erp_items (
    sku     text PRIMARY KEY,
    good_at timestamptz NOT NULL
);
