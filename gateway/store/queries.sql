-- Every statement of the SQLite store. A line `-- name: sentence` starts one; the name is how the code calls it.

-- terminal: One terminal.
SELECT kid, certificate, gateway_key_id, registered_ms, revoked, sealed_through, chain, booked_through, frozen_from, gaps,
    settlement_error, last_seen_ms, status_counter, status, telephone, channel, retired_through
FROM terminals WHERE kid = ?;

-- terminals: All terminals by kid.
SELECT kid, certificate, gateway_key_id, registered_ms, revoked, sealed_through, chain, booked_through, frozen_from, gaps,
    settlement_error, last_seen_ms, status_counter, status, telephone, channel, retired_through
FROM terminals ORDER BY kid;

-- add_terminal: A newly registered terminal.
INSERT INTO terminals (kid, certificate, gateway_key_id, registered_ms, revoked, sealed_through, chain, booked_through,
    frozen_from, gaps, settlement_error, last_seen_ms, status_counter, status, telephone, channel, retired_through)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- revoke: Withdraw a terminal's certificate.
UPDATE terminals SET revoked = 1 WHERE kid = ?;

-- keep_forwarded: Records behind a gap that go on counting when their terminal is retired now.
INSERT INTO kept (kid, sequence)
SELECT p.kid, p.sequence FROM provisional p JOIN terminals t ON t.kid = p.kid
WHERE p.kid = ? AND p.forwarded_rupiah > 0 AND t.retired_through < 0;

-- retire: Nothing counts any more behind what is sealed now; a second time changes nothing.
UPDATE terminals SET retired_through = sealed_through WHERE kid = ? AND retired_through < 0;

-- kept: Records behind a gap that count although their terminal is retired.
SELECT sequence FROM kept WHERE kid = ? ORDER BY sequence;

-- set_head: What ingest has moved in a terminal.
UPDATE terminals SET sealed_through = ?, chain = ?, frozen_from = ?, gaps = ?, last_seen_ms = ?, status_counter = ?,
    channel = ?
WHERE kid = ?;

-- set_status: A terminal's last report.
UPDATE terminals SET status = ? WHERE kid = ?;

-- set_telephone: The number that a terminal is reached at.
UPDATE terminals SET telephone = ? WHERE kid = ?;

-- set_booked: How far settlement has a terminal's evidence.
UPDATE terminals SET booked_through = ? WHERE kid = ?;

-- set_stopped: Why nothing more of a terminal is forwarded.
UPDATE terminals SET settlement_error = ? WHERE kid = ?;

-- add_frame: A frame as received.
INSERT INTO frames (frame_id, kid, first, count, received_ms, channel, octets, is_waiting) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- frame_arrived: A frame that waits no longer.
UPDATE frames SET is_waiting = 0 WHERE frame_id = ?;

-- drop_frame: A candidate that is of no use.
DELETE FROM frames WHERE frame_id = ?;

-- waiting: Waiting frames of a terminal in the order in which they came.
SELECT frame_id, kid, first, count, received_ms, channel, octets, is_waiting
FROM frames WHERE kid = ? AND is_waiting = 1 ORDER BY frame_id;

-- frame: One frame.
SELECT frame_id, kid, first, count, received_ms, channel, octets, is_waiting FROM frames WHERE frame_id = ?;

-- add_record: A sealed record.
INSERT INTO records (kid, sequence, frame_id, octets, chain, seal, kind, time_s, amount_rupiah, reference, card_use,
    repeats_card_use, state, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- adoptions: Adoption records of a terminal in the order of its chain (kind 7).
SELECT octets FROM records WHERE kid = ? AND kind = 7 ORDER BY sequence;

-- chain: Records of a range as links of the chain.
SELECT sequence, octets, chain, frame_id FROM records WHERE kid = ? AND sequence BETWEEN ? AND ? ORDER BY sequence;

-- records: Records of a range with all columns.
SELECT kid, sequence, frame_id, octets, chain, seal, kind, time_s, amount_rupiah, reference, card_use,
    repeats_card_use, state, reason
FROM records WHERE kid = ? AND sequence BETWEEN ? AND ? ORDER BY sequence;

-- add_provisional: A record that is proved behind a gap.
INSERT INTO provisional (kid, sequence, frame_id, octets, before, chain, seal, card_use, forwarded_rupiah, state, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- provisional: Records of a range that are proved behind a gap.
SELECT kid, sequence, frame_id, octets, before, chain, seal, card_use, forwarded_rupiah, state, reason
FROM provisional WHERE kid = ? AND sequence BETWEEN ? AND ? ORDER BY sequence;

-- set_provisional_state: What settlement said about one of them.
UPDATE provisional SET state = ?, reason = ? WHERE kid = ? AND sequence = ?;

-- drop_provisional: They are sealed now.
DELETE FROM provisional WHERE kid = ? AND sequence <= ?;

-- recent_records: The newest records of all terminals.
SELECT kid, sequence, frame_id, octets, chain, seal, kind, time_s, amount_rupiah, reference, card_use,
    repeats_card_use, state, reason
FROM records ORDER BY record_id DESC LIMIT ?;

-- recent_records_of: The newest records of one terminal.
SELECT kid, sequence, frame_id, octets, chain, seal, kind, time_s, amount_rupiah, reference, card_use,
    repeats_card_use, state, reason
FROM records WHERE kid = ? ORDER BY sequence DESC LIMIT ?;

-- first_use: Records of many card uses, oldest first; `(?)` stands for as many values as are asked for at once.
SELECT card_use, kid, sequence FROM records WHERE card_use IN (?) ORDER BY record_id;

-- set_state: What settlement said about a record.
UPDATE records SET state = ?, reason = ? WHERE kid = ? AND sequence = ?;

-- add_document: A published document; publishing it again changes nothing, its digest is its identity.
INSERT OR IGNORE INTO documents (kind, digest, number, octets, kid, programme, roster_digest, policy_digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- document: One document by digest.
SELECT kind, digest, number, octets, kid, programme, roster_digest, policy_digest FROM documents WHERE digest = ?;

-- documents: Documents of a kind, newest first.
SELECT kind, digest, number, octets, kid, programme, roster_digest, policy_digest
FROM documents WHERE kind = ? ORDER BY document_id DESC;

-- documents_of: Documents of a kind for one terminal, newest first.
SELECT kind, digest, number, octets, kid, programme, roster_digest, policy_digest
FROM documents WHERE kind = ? AND kid = ? ORDER BY document_id DESC;

-- add_outbox: A sealed run on its way.
INSERT INTO outbox (outbox_id, kid, first, last, due_ms, request_id, before) VALUES (?, ?, ?, ?, ?, ?, ?);

-- outbox_due: Runs that may go into a request.
SELECT o.outbox_id, o.kid, o.first, o.last, o.due_ms, o.request_id, o.before
FROM outbox o JOIN terminals t ON t.kid = o.kid
WHERE o.request_id = 0 AND o.due_ms <= ? AND t.settlement_error = ''
    AND (t.frozen_from = 0 OR o.last < t.frozen_from
        OR o.last <= (SELECT MAX(v.through) FROM reviews v WHERE v.kid = o.kid AND v.sequence <= t.frozen_from))
ORDER BY o.outbox_id LIMIT ?;

-- outbox_of: The runs of a request.
SELECT outbox_id, kid, first, last, due_ms, request_id, before FROM outbox
WHERE request_id = ? AND request_id != 0 ORDER BY kid, first;

-- outbox_count: Runs that settlement has not taken yet.
SELECT COUNT(*) FROM outbox;

-- assign_outbox: Put a run into a request.
UPDATE outbox SET request_id = ? WHERE outbox_id = ?;

-- drop_outbox: Settlement has taken a run.
DELETE FROM outbox WHERE outbox_id = ?;

-- put_request: A request, new or changed.
INSERT OR REPLACE INTO requests (request_id, key, created_ms, attempts, next_attempt_ms, last_error, failed)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- drop_request: A request that was answered for good.
DELETE FROM requests WHERE request_id = ?;

-- open_requests: Requests without a final answer, oldest first.
SELECT request_id, key, created_ms, attempts, next_attempt_ms, last_error, failed FROM requests ORDER BY request_id;

-- add_evidence: A refused frame.
INSERT INTO evidence (evidence_id, kid, outcome, error, field, at, reason, received_ms, channel, octets)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- drop_evidence: A refused frame that is judged again or had to go.
DELETE FROM evidence WHERE evidence_id = ?;

-- evidence: Refused frames, newest first.
SELECT evidence_id, kid, outcome, error, field, at, reason, received_ms, channel, octets
FROM evidence ORDER BY evidence_id DESC LIMIT ?;

-- evidence_of: Refused frames of one terminal, newest first.
SELECT evidence_id, kid, outcome, error, field, at, reason, received_ms, channel, octets
FROM evidence WHERE kid = ? ORDER BY evidence_id DESC LIMIT ?;

-- evidence_one: One refused frame.
SELECT evidence_id, kid, outcome, error, field, at, reason, received_ms, channel, octets FROM evidence WHERE evidence_id = ?;

-- evidence_ids: Ids of a terminal's refused frames, oldest first.
SELECT evidence_id FROM evidence WHERE kid = ? ORDER BY evidence_id;

-- stranger_ids: Ids of refused frames of unknown terminals, oldest first.
SELECT evidence_id FROM evidence WHERE outcome = 'unknown_terminal' ORDER BY evidence_id;

-- evidence_since: Refused frames received since then.
SELECT COUNT(*) FROM evidence WHERE received_ms >= ?;

-- add_conflict: A proved fork.
INSERT INTO conflicts (kid, sequence, received_ms, octets) VALUES (?, ?, ?, ?);

-- conflicts: Proved forks, newest first.
SELECT kid, sequence, received_ms, octets FROM conflicts ORDER BY conflict_id DESC;

-- conflicts_of: Proved forks of one terminal, newest first.
SELECT kid, sequence, received_ms, octets FROM conflicts WHERE kid = ? ORDER BY conflict_id DESC;

-- add_review: What a person decided about a fork.
INSERT INTO reviews (kid, sequence, through, reviewed_ms, reason) VALUES (?, ?, ?, ?, ?);

-- reviews: What was decided about a terminal's forks, newest first.
SELECT kid, sequence, through, reviewed_ms, reason FROM reviews WHERE kid = ? ORDER BY review_id DESC;

-- put_decision: What a person decided about disputed redemptions, new or changed.
INSERT OR REPLACE INTO decisions (key, kid, first, last, verdict, reviewer, reason, decided_ms, takeover, attempts,
    next_attempt_ms, last_error, answered_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- decisions: What was decided about disputed redemptions, newest first.
SELECT key, kid, first, last, verdict, reviewer, reason, decided_ms, takeover, attempts, next_attempt_ms, last_error, answered_ms
FROM decisions ORDER BY decided_ms DESC, key;

-- open_decisions: Those that settlement has not answered, oldest first.
SELECT key, kid, first, last, verdict, reviewer, reason, decided_ms, takeover, attempts, next_attempt_ms, last_error, answered_ms
FROM decisions WHERE answered_ms = 0 ORDER BY decided_ms, key;

-- disputed: Redemptions of a terminal that are disputed (state 3, kind 1) and that no record of it voids (kind 2).
SELECT kid, sequence, frame_id, octets, chain, seal, kind, time_s, amount_rupiah, reference, card_use,
    repeats_card_use, state, reason
FROM records WHERE kid = ?1 AND state = 3 AND kind = 1
    AND sequence NOT IN (SELECT reference FROM records WHERE kid = ?1 AND kind = 2)
ORDER BY sequence;

-- count: Add to a counter.
INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value;

-- counters: All counters.
SELECT name, value FROM counters ORDER BY name;

-- set_number: A single number.
INSERT OR REPLACE INTO numbers (name, value) VALUES (?, ?);

-- number: A single number.
SELECT value FROM numbers WHERE name = ?;

-- totals: Records by kind, state, and state of the redemption that a void names (kind 2; the other kinds name none).
SELECT r.kind, r.state, COALESCE(t.state, 0), COUNT(*), SUM(r.amount_rupiah)
FROM records r LEFT JOIN records t ON r.kind = 2 AND t.kid = r.kid AND t.sequence = r.reference
GROUP BY 1, 2, 3;

-- totals_of: The same for one terminal.
SELECT r.kind, r.state, COALESCE(t.state, 0), COUNT(*), SUM(r.amount_rupiah)
FROM records r LEFT JOIN records t ON r.kind = 2 AND t.kid = r.kid AND t.sequence = r.reference
WHERE r.kid = ? GROUP BY 1, 2, 3;

-- next_ids: The next free ids of frames, outbox, requests and evidence.
SELECT (SELECT COALESCE(MAX(frame_id), 0) + 1 FROM frames), (SELECT COALESCE(MAX(outbox_id), 0) + 1 FROM outbox),
    (SELECT COALESCE(MAX(request_id), 0) + 1 FROM requests), (SELECT COALESCE(MAX(evidence_id), 0) + 1 FROM evidence);
