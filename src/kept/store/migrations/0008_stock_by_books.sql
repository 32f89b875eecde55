-- Stock that is counted by an ERP's books: what shipped is in the count until it was posted there.
ALTER TABLE stock ADD COLUMN by_books boolean NOT NULL DEFAULT false;
