-- Pieces that are kept back: on the shelf, and promised to nobody, for what is miscounted, broken or sold elsewhere.
CREATE TABLE stock_safety (
    centre text NOT NULL,
    sku    text NOT NULL,
    pieces integer NOT NULL CHECK (pieces > 0),
    PRIMARY KEY (centre, sku)
);
