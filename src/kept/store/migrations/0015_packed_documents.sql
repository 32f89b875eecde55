-- JSON documents are kept packed (zlib): every order has some, and a third of their size is as good.
ALTER TABLE documents ADD COLUMN packed boolean NOT NULL DEFAULT false;
