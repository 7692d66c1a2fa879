"""A small real HTTP server in the shape of the settlement service, whose answers a test decides."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from protocol import records


class StubService:
    """Books records by (kid, sequence) as the contract says; `faults` are answers to give first, oldest first.

    A fault is an HTTP status, or a function of the request body that returns a body to answer with instead.
    `requests` are (idempotency key, body) as they came; `booked` are digests and `times` how often each was asked for.
    """

    def __init__(self) -> None:
        self.faults: list[int | Callable[[dict[str, Any]], Any]] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.tokens: list[str | None] = []
        self.booked: dict[tuple[str, int], str] = {}
        self.heads: dict[str, int] = {}
        self.outcomes: dict[tuple[str, int], tuple[str, str | None]] = {}
        self.changed = threading.Condition()
        self.url = ""

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Book and answer."""
        return {"results": [self._segment(segment) for segment in body["segments"]]}

    def _segment(self, segment: dict[str, Any]) -> dict[str, Any]:
        kid = segment["kid"]
        head = self.heads.get(kid, 0)
        if "write_off" in segment:
            head = max(head, segment["first"] - 1)
        is_provisional = segment.get("provisional", False)
        if segment["first"] > head + 1 and not is_provisional:
            return {"kid": kid, "error": "gap", "expected_first": head + 1, "records": []}
        told = []
        for place, octets in enumerate(segment["records"]):
            key = (kid, segment["first"] + place)
            digest = hashlib.sha256(bytes.fromhex(octets)).hexdigest()
            record = records.decode(bytes.fromhex(octets))
            default = "settled" if record.kind == records.REDEMPTION else "recorded"
            outcome, reason = self.outcomes.get(key, (default, None))
            if is_provisional and outcome != "settled":
                outcome, reason = "held", "behind a gap"
            booked = digest if outcome == "held" else self.booked.setdefault(key, digest)
            told.append(
                {
                    "sequence": key[1],
                    "digest": booked,
                    "outcome": outcome if booked == digest else "conflict",
                    "reason": reason,
                    "amount_rupiah": getattr(record, "amount_rupiah", 0),
                }
            )
        if is_provisional:
            return {"kid": kid, "error": None, "expected_first": None, "records": told}
        self.heads[kid] = max(head, segment["first"] + len(segment["records"]) - 1)
        return {"kid": kid, "error": None, "expected_first": None, "records": told}

    def wait_for(self, is_reached: Callable[[], bool], timeout_s: float = 20.0) -> bool:
        """Wait until requests have made something true."""
        with self.changed:
            return self.changed.wait_for(is_reached, timeout_s)


@contextmanager
def serving(service: StubService) -> Iterator[StubService]:
    """Serve on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with service.changed:
                service.requests.append((self.headers["Idempotency-Key"], body))
                service.tokens.append(self.headers["Authorization"])
                fault = service.faults.pop(0) if service.faults else None
                if isinstance(fault, int):
                    status, answer = fault, {"detail": "as the test says"}
                elif fault is not None:
                    status, answer = 200, fault(body)
                else:
                    status, answer = 200, service.answer(body)
                service.changed.notify_all()
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
