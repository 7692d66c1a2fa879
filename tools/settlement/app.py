"""The sandbox's HTTP face: the routes that `openapi.json` describes, behind a bearer token."""

import hmac
import json
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from protocol.records import SEQUENCE_MAX
from tools.settlement import reviews
from tools.settlement.books import Books
from tools.settlement.entries import answer_of
from tools.settlement.request import RequestError, check_idempotency_key, parse, parse_kid
from tools.settlement.service import Settlement

OPENAPI = Path(__file__).with_name("openapi.json")
BODY_OCTETS_MAX = 16 * 1024 * 1024


class ProblemError(Exception):
    """An error answer (RFC 9457) that names its field."""

    def __init__(self, status: int, field: str, reason: str) -> None:
        super().__init__(f"{status} {field}: {reason}")
        self.status = status
        self.field = field
        self.reason = reason


class Face:
    """The handlers; everything that touches the books runs on a thread, so that the loop never waits for them."""

    def __init__(self, settlement: Settlement, books: Books, token: str) -> None:
        self._settlement = settlement
        self._books = books
        self._authorization = f"Bearer {token}".encode()

    async def settlements(self, request: Request) -> Response:
        """POST /v1/settlements."""
        self._require_token(request)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        body = await _body(request)
        segments = parse(await run_in_threadpool(_json, body))
        return JSONResponse(await run_in_threadpool(self._settlement.settle, segments, key))

    async def reviews(self, request: Request) -> Response:
        """POST /v1/reviews."""
        self._require_token(request)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        review = reviews.parse(_json(await _body(request)))
        return JSONResponse(await run_in_threadpool(self._settlement.review, review, key))

    def totals(self, request: Request) -> Response:
        """GET /v1/totals."""
        self._require_token(request)
        with self._books:
            return JSONResponse(self._books.totals())

    def record(self, request: Request) -> Response:
        """GET /v1/records/{kid}/{sequence}."""
        self._require_token(request)
        kid = parse_kid(request.path_params["kid"])
        sequence = request.path_params["sequence"]
        if not 1 <= sequence <= SEQUENCE_MAX:
            raise RequestError("sequence", f"not in 1..{SEQUENCE_MAX}")
        with self._books:
            booking = self._books.booking(kid, sequence)
        if booking is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "sequence", "not booked")
        return JSONResponse(answer_of(booking))

    def _require_token(self, request: Request) -> None:
        offered = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(offered, self._authorization):
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "Authorization", "missing or wrong bearer token")


def make_app(settlement: Settlement, books: Books, token: str) -> Starlette:
    """The ASGI application; every route but health and the description asks for `Authorization: Bearer <token>`."""
    if not token:
        raise ValueError("the bearer token is empty")
    face = Face(settlement, books, token)
    return Starlette(
        routes=[
            Route("/v1/settlements", face.settlements, methods=["POST"]),
            Route("/v1/reviews", face.reviews, methods=["POST"]),
            Route("/v1/totals", face.totals),
            Route("/v1/records/{kid}/{sequence:int}", face.record),
            Route("/v1/health", _health),
            Route("/openapi.json", _description),
        ],
        exception_handlers={
            ProblemError: _on_problem,
            RequestError: _on_request_error,
            HTTPException: _on_http_exception,
        },
    )


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _description(_: Request) -> Response:
    return Response(OPENAPI.read_bytes(), media_type="application/json")


async def _body(request: Request) -> bytes:
    """The request's body, read only as far as the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_OCTETS_MAX:
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body", f"over {BODY_OCTETS_MAX} octets")
    return bytes(body)


def _json(body: bytes) -> object:
    """The body's JSON; raises `RequestError`."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("body", "not JSON") from error


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _problem(error.status, error.field, error.reason)


async def _on_request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _problem(HTTPStatus.BAD_REQUEST, error.field, error.reason)


async def _on_http_exception(_: Request, error: Exception) -> Response:
    """A path or method that is not of the contract."""
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, "path", error.detail)


def _problem(status: int, field: str, reason: str) -> Response:
    body = {"type": "about:blank", "title": reason, "status": status, "field": field}
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")
