-- What people decided about disputed redemptions, on its way to settlement until `answered_ms`.
CREATE TABLE decisions (
    key TEXT PRIMARY KEY,
    kid INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    reason TEXT NOT NULL,
    decided_ms INTEGER NOT NULL,
    takeover BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_ms INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    answered_ms INTEGER NOT NULL
);
