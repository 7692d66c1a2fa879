-- Records that are proved behind a gap, until they are sealed; and the chain value before a run of them in the outbox.
CREATE TABLE provisional (
    provisional_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    frame_id INTEGER NOT NULL,
    octets BLOB NOT NULL,
    before BLOB NOT NULL,
    chain BLOB NOT NULL,
    seal BLOB NOT NULL,
    card_use BLOB,
    forwarded_rupiah INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE UNIQUE INDEX provisional_identity ON provisional (kid, sequence);
ALTER TABLE outbox ADD COLUMN before BLOB NOT NULL DEFAULT x'';
