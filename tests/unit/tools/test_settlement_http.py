"""The sandbox as a process on loopback: as described, once whatever repeats, and whole after being killed."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import openapi_spec_validator
import pytest

from tests.unit.tools import till
from tools import brokers, district
from tools.setup.checkout import ROOT

TOKEN = "token of this test"
OPENAPI = ROOT / "tools" / "settlement" / "openapi.json"
READY_S = 30.0


class Server:
    """`python -m tools.settlement` with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = brokers.free_port()
        (folder / "authority.pub").write_bytes(till.authority().public)
        (folder / "policy.bin").write_bytes(till.signed_policy())
        (folder / "token").write_text(TOKEN + "\n")
        district.save_json(folder / "issuer.json", till.issuer_file())
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools.settlement", *self.arguments()],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while True:
            try:
                assert self.client.get("/v1/health").json() == {"status": "ok"}
                return
            except httpx2.TransportError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "not ready"
                threading.Event().wait(0.02)

    def arguments(self) -> list[str]:
        """Its command line."""
        files = {
            "authority": "authority.pub",
            "policy": "policy.bin",
            "issuer": "issuer.json",
            "token": "token",
        }
        named = [f"--{name}={self.folder / file}" for name, file in files.items()]
        return [*named, f"--books={self.folder / 'books.db'}", "--granted=9000000", f"--port={self.port}"]

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def send(self, *segments: dict[str, Any]) -> httpx2.Response:
        """One settlement request."""
        return self.client.post(
            "/v1/settlements",
            json={"segments": list(segments)},
            headers={"Idempotency-Key": till.idempotency_key(list(segments))},
        )

    def totals(self) -> dict[str, int]:
        """The sums, which always add up."""
        totals = self.client.get("/v1/totals").json()
        states = totals["settled_rupiah"] + totals["refused_rupiah"] + totals["disputed_rupiah"]
        assert states == totals["redeemed_rupiah"] - totals["voided_rupiah"]
        return totals


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.client.close()
    made.kill()


@pytest.fixture
def counter() -> till.Till:
    made = till.Till(0x2A)
    made.adopt_policy()
    return made


# As described.


def test_the_description_is_valid_openapi():
    openapi_spec_validator.validate(json.loads(OPENAPI.read_text()))


def schema_of(path: str, method: str, status: int) -> dict[str, Any]:
    """The schema of an answer, with the components that it refers to."""
    document = json.loads(OPENAPI.read_text())
    (content,) = document["paths"][path][method]["responses"][str(status)]["content"].values()
    return content["schema"] | {"components": document["components"]}


def request_schema(path: str = "/v1/settlements") -> dict[str, Any]:
    document = json.loads(OPENAPI.read_text())
    content = document["paths"][path]["post"]["requestBody"]["content"]
    return content["application/json"]["schema"] | {"components": document["components"]}


def conforms(response: httpx2.Response, path: str, method: str, status: int) -> Any:
    """The answer's JSON, which is of the description."""
    assert response.status_code == status, response.text
    kind = "application/json" if status == 200 else "application/problem+json"
    assert response.headers["content-type"] == kind
    body = response.json()
    jsonschema.validate(body, schema_of(path, method, status), jsonschema.Draft202012Validator)
    return body


def test_answers_are_as_described(server, counter):
    post = ("/v1/settlements", "post")
    sequence = counter.redeem(0)
    counter.redeem(2)
    counter.void(sequence)
    counter.redeem(1, 5_000, claimed_rupiah=6_000)
    sent = counter.segment()
    jsonschema.validate({"segments": [sent]}, request_schema(), jsonschema.Draft202012Validator)
    (result,) = conforms(server.send(sent), *post, 200)["results"]
    assert [record["outcome"] for record in result["records"]] == [
        "recorded", "settled", "settled", "recorded", "refused",
    ]  # fmt: skip
    counter.event()
    fresh = counter.segment(counter.head)
    for change, error in (
        ({"seal": "00" * 64}, "seal"),
        ({"first": 9, "unpredictable_numbers": {}}, "gap"),
        ({"certificate": "00" * 80}, "certificate"),
    ):
        (result,) = conforms(server.send(fresh | change), *post, 200)["results"]
        assert (result["error"], result["expected_first"]) == (error, 6 if error == "gap" else None)
    conforms(server.client.get("/v1/totals"), "/v1/totals", "get", 200)
    one = "/v1/records/{kid}/{sequence}"
    booked = conforms(server.client.get(f"/v1/records/0000002a/{sequence}"), one, "get", 200)
    assert (booked["outcome"], booked["amount_rupiah"]) == ("settled", 100_000)
    conforms(server.client.get("/v1/records/0000002a/99"), one, "get", 404)
    conforms(server.client.get("/v1/records/2a/1"), one, "get", 400)
    conforms(server.client.get("/v1/records/0000002a/99999999999999999999"), one, "get", 400)
    conforms(httpx2.get(f"{server.client.base_url}/v1/health"), "/v1/health", "get", 200)
    assert server.client.get("/openapi.json").json() == json.loads(OPENAPI.read_text())


def test_a_decision_on_what_is_disputed_is_answered_as_described(server, counter):
    counter.redeem(0)
    server.send(counter.segment(late=[2]))
    post = ("/v1/reviews", "post")
    body = {
        "kid": "0000002a", "first": 1, "last": 2, "verdict": "refuse", "reviewer": "Sri", "reason": "no receipt",
    }  # fmt: skip
    jsonschema.validate(body, request_schema(post[0]), jsonschema.Draft202012Validator)
    key = {"Idempotency-Key": "ab" * 32}
    for _ in range(2):
        told = conforms(server.client.post(post[0], json=body, headers=key), *post, 200)
        assert [(one["sequence"], one["outcome"]) for one in told["records"]] == [(2, "refused")]
    unsigned = body | {"verdict": "pay", "takeover": "00" * 150}
    jsonschema.validate(unsigned, request_schema(post[0]), jsonschema.Draft202012Validator)
    told = conforms(server.client.post(post[0], json=unsigned, headers=key), *post, 200)
    assert told["error"] == "takeover"
    told = conforms(server.client.post(post[0], json=body | {"last": 0}, headers=key), *post, 400)
    assert told["field"] == "last"


def test_requests_that_are_not_of_the_contract_are_named_by_field(server, counter):
    post = ("/v1/settlements", "post")
    key = {"Idempotency-Key": "ab" * 32}
    for content in (b"", b"{", b"\xff", b"[" * 100_000, b'{"segments": ' + b"9" * 5000 + b"}"):
        problem = conforms(server.client.post("/v1/settlements", content=content, headers=key), *post, 400)
        assert problem["field"] in ("body", "segments")
    problem = conforms(
        server.client.post("/v1/settlements", json={"segments": [{}]}, headers=key), *post, 400
    )
    assert problem["field"] == "segments[0].kid"
    problem = conforms(server.client.post("/v1/settlements", json={"segments": []}), *post, 400)
    assert problem["field"] == "Idempotency-Key"
    large = b" " * (16 * 1024 * 1024 + 1)
    problem = conforms(server.client.post("/v1/settlements", content=large, headers=key), *post, 413)
    assert problem["field"] == "body"
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/v1/settlements", 405)):
        problem = server.client.request(method, path)
        assert (problem.status_code, problem.json()["field"]) == (status, "path")
    assert server.send(counter.segment()).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", TOKEN, f"Bearer {TOKEN}x"])
def test_without_the_token_nothing_is_told_or_booked(server, counter, authorization):
    headers = {"Idempotency-Key": "ab" * 32} | (
        {} if authorization is None else {"Authorization": authorization}
    )
    with httpx2.Client(base_url=str(server.client.base_url), headers=headers) as stranger:
        body = {"segments": [counter.segment()]}
        conforms(stranger.post("/v1/settlements", json=body), "/v1/settlements", "post", 401)
        conforms(stranger.get("/v1/totals"), "/v1/totals", "get", 401)
        path = "/v1/records/{kid}/{sequence}"
        conforms(stranger.get("/v1/records/0000002a/1"), path, "get", 401)
    assert server.totals()["records"] == 0


# Once.


def test_concurrent_repeats_and_overlaps_book_each_record_once(server, counter):
    """Eight clients at the same time, each with cuts of its own through the same chain, each cut sent twice."""
    for place in range(24):
        counter.redeem(place % till.FAMILIES, 1_000 + place)
    expected = sum(1_000 + place for place in range(24))

    def client(width: int) -> dict[int, dict[str, Any]]:
        answered: dict[int, dict[str, Any]] = {}
        first = 1
        while first <= counter.head:
            last = min(first + width - 1, counter.head)
            for _ in range(2):
                (result,) = server.send(counter.segment(first, last)).json()["results"]
                if result["error"] == "gap":
                    first = result["expected_first"]
                    break
                assert result["error"] is None
                for record in result["records"]:
                    assert answered.setdefault(record["sequence"], record) == record
            else:
                first = max(first + 1, last - 1) if last < counter.head else last + 1
        return answered

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(client, range(3, 11)))
    for sequence in range(1, counter.head + 1):
        assert len({json.dumps(answered[sequence], sort_keys=True) for answered in answers}) == 1
    assert server.totals() == {
        "granted_rupiah": 9_000_000, "records": 25, "redeemed_rupiah": expected, "voided_rupiah": 0,
        "settled_rupiah": expected, "refused_rupiah": 0, "disputed_rupiah": 0,
    }  # fmt: skip


def test_a_killed_service_books_each_record_once(server, counter):
    """SIGKILL in the middle of requests, again and again; the sender repeats until it has every answer."""
    for place in range(30):
        counter.redeem(place % till.FAMILIES, 1_000 + place)
    answered: dict[int, dict[str, Any]] = {}
    wanted = [counter.segment(first, min(first + 2, counter.head)) for first in range(1, counter.head + 1, 3)]
    stop = threading.Event()

    def sender() -> None:
        for segment in wanted:
            while not stop.is_set():
                try:
                    (result,) = server.send(segment).json()["results"]
                except httpx2.TransportError:
                    stop.wait(0.005)
                    continue
                assert result["error"] is None
                for record in result["records"]:
                    assert answered.setdefault(record["sequence"], record) == record
                break

    sending = threading.Thread(target=sender)
    sending.start()
    try:
        for kills in range(4):
            deadline = time.monotonic() + READY_S
            while len(answered) < 6 * (kills + 1) and sending.is_alive():
                assert time.monotonic() < deadline
            server.kill()
            server.start()
        sending.join(READY_S)
    finally:
        stop.set()
        sending.join()
    assert sorted(answered) == list(range(1, counter.head + 1))
    totals = server.totals()
    assert totals["records"] == counter.head
    assert totals["settled_rupiah"] == sum(1_000 + place for place in range(30))
    for sequence, record in answered.items():
        assert server.client.get(f"/v1/records/0000002a/{sequence}").json() == record


def test_two_processes_on_one_file_of_books_book_each_record_once(server, counter):
    """Not how it is meant to run, but no reason to pay twice."""
    for place in range(10):
        counter.redeem(place)
    second = Server(server.folder)
    second.start()
    try:
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda one: one.send(counter.segment()).json(), (server, second)))
        assert answers[0] == answers[1]
        assert server.totals() == second.totals()
        assert server.totals()["settled_rupiah"] == 1_000_000
    finally:
        second.client.close()
        second.kill()


# Start.


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("policy.bin", b"\x01" * 200, "policy"),
        ("issuer.json", b"{}", "issuer file"),
        ("issuer.json", b"[", ""),
        ("token", b"\n", "no token"),
    ],
)
def test_files_that_are_not_right_are_named_at_the_start(tmp_path, name, content, said):
    made = Server(tmp_path)
    (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "tools.settlement", *made.arguments()],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=os.environ,
    )  # fmt: skip
    made.client.close()
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
