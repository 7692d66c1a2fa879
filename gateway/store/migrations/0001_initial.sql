-- The first layout. Tables have rowids: WITHOUT ROWID costs a factor of four on inserts of this shape.

CREATE TABLE terminals (
    kid INTEGER PRIMARY KEY,
    certificate BLOB NOT NULL,
    gateway_key_id INTEGER NOT NULL,
    registered_ms INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    sealed_through INTEGER NOT NULL DEFAULT 0,
    chain BLOB NOT NULL DEFAULT x'',
    booked_through INTEGER NOT NULL DEFAULT 0,
    frozen_from INTEGER NOT NULL DEFAULT 0,
    gaps TEXT NOT NULL DEFAULT '[]',
    settlement_error TEXT NOT NULL DEFAULT '',
    last_seen_ms INTEGER NOT NULL DEFAULT 0,
    status_counter INTEGER NOT NULL DEFAULT -1,
    status BLOB NOT NULL DEFAULT x''
);

-- Frames exactly as received.
CREATE TABLE frames (
    frame_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    channel TEXT NOT NULL,
    octets BLOB NOT NULL,
    is_waiting INTEGER NOT NULL
);
CREATE INDEX frames_waiting ON frames (kid) WHERE is_waiting = 1;

-- Sealed records: the canonical octets and columns derived from them.
CREATE TABLE records (
    record_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    frame_id INTEGER NOT NULL,
    octets BLOB NOT NULL,
    chain BLOB NOT NULL,
    seal BLOB NOT NULL,
    kind INTEGER NOT NULL,
    time_s INTEGER NOT NULL,
    amount_rupiah INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    card_use BLOB,
    repeats_card_use INTEGER NOT NULL DEFAULT 0,
    state INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX records_identity ON records (kid, sequence);
CREATE INDEX records_card_use ON records (card_use) WHERE card_use IS NOT NULL;
CREATE INDEX records_adoptions ON records (kid, sequence) WHERE kind = 7;

-- Documents that the authority signed.
CREATE TABLE documents (
    document_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    number INTEGER NOT NULL,
    octets BLOB NOT NULL,
    kid INTEGER NOT NULL,
    programme INTEGER NOT NULL,
    roster_digest BLOB NOT NULL,
    policy_digest BLOB NOT NULL
);
CREATE INDEX documents_kind ON documents (kind, kid);

-- Sealed runs on their way to settlement, and the requests that they were put into.
CREATE TABLE outbox (
    outbox_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    request_id INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outbox_request ON outbox (request_id) WHERE request_id != 0;
CREATE TABLE requests (
    request_id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_ms INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    failed INTEGER NOT NULL
);

-- Refused frames, bounded by the gateway; and proved forks, which are never dropped.
CREATE TABLE evidence (
    evidence_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT,
    field TEXT,
    at INTEGER,
    reason TEXT,
    received_ms INTEGER NOT NULL,
    channel TEXT NOT NULL,
    octets BLOB NOT NULL
);
CREATE INDEX evidence_kid ON evidence (kid);
CREATE INDEX evidence_time ON evidence (received_ms);
CREATE TABLE conflicts (
    conflict_id INTEGER PRIMARY KEY,
    kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    octets BLOB NOT NULL
);

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
-- Single numbers: how far down counters are reserved, flags.
CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
