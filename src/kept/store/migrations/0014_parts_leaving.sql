-- What leaves a centre of limited capacity on a day. Neither column changes, so that updates of parts stay in their page.
CREATE INDEX parts_leaving ON parts (centre, ships_at);
