-- Generations that were retired: `retired_through` is the last record that counts (-1: not retired); and the records behind
-- a gap that count too, because they were on their way to settlement by then.
ALTER TABLE terminals ADD COLUMN retired_through INTEGER NOT NULL DEFAULT -1;
CREATE TABLE kept (
    kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (kid, sequence)
);
