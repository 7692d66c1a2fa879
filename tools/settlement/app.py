"""The sandbox's HTTP face: the routes that `openapi.json` describes, behind a bearer token."""

import hmac
import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tools.settlement.books import Books
from tools.settlement.service import RequestError, Settlement, parse

OPENAPI = Path(__file__).with_name("openapi.json")
BODY_OCTETS_MAX = 16 * 1024 * 1024


def make_app(settlement: Settlement, books: Books, token: str) -> Starlette:
    """The ASGI application; every route but health and the description asks for `Authorization: Bearer <token>`."""

    def allowed(request: Request) -> bool:
        offered = request.headers.get("authorization", "")
        return hmac.compare_digest(offered.encode(), f"Bearer {token}".encode())

    async def settlements(request: Request) -> Response:
        if not allowed(request):
            return _problem(401, "authorization", "missing or wrong bearer token")
        if not request.headers.get("idempotency-key"):
            return _problem(400, "Idempotency-Key", "missing")
        body = await request.body()
        if len(body) > BODY_OCTETS_MAX:
            return _problem(413, "body", f"over {BODY_OCTETS_MAX} octets")
        try:
            segments = parse(json.loads(body))
        except (RequestError, json.JSONDecodeError, UnicodeDecodeError) as error:
            return _problem(400, getattr(error, "field", "body"), str(error))
        return JSONResponse(await run_in_threadpool(settlement.settle, segments))

    async def totals(request: Request) -> Response:
        if not allowed(request):
            return _problem(401, "authorization", "missing or wrong bearer token")
        with books:
            return JSONResponse(books.totals())

    async def one_record(request: Request) -> Response:
        if not allowed(request):
            return _problem(401, "authorization", "missing or wrong bearer token")
        kid, sequence = request.path_params["kid"], request.path_params["sequence"]
        try:
            number = int(kid, 16)
        except ValueError:
            return _problem(400, "kid", "not hexadecimal")
        with books:
            booking = books.booking(number, sequence)
        if booking is None:
            return _problem(404, "sequence", "not booked")
        return JSONResponse(
            {
                "sequence": booking.sequence,
                "digest": booking.digest.hex(),
                "outcome": booking.outcome,
                "reason": booking.reason,
                "amount_rupiah": booking.amount_rupiah,
            }
        )

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def description(_: Request) -> Response:
        return Response(OPENAPI.read_bytes(), media_type="application/json")

    return Starlette(
        routes=[
            Route("/v1/settlements", settlements, methods=["POST"]),
            Route("/v1/totals", totals),
            Route("/v1/records/{kid}/{sequence:int}", one_record),
            Route("/v1/health", health),
            Route("/openapi.json", description),
        ]
    )


def _problem(status: int, field: str, reason: str) -> JSONResponse:
    """An error that names its field (RFC 9457)."""
    body = {"type": "about:blank", "title": reason, "status": status, "field": field}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
