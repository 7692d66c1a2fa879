-- What people decided about forks: what is sealed here from `sequence` up to `through` stands, and may settle.
CREATE TABLE reviews (
    review_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    through INTEGER NOT NULL,
    reviewed_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX reviews_kid ON reviews (kid);
