"""Submitting over HTTP: a request that is repeated with its Idempotency-Key gets the first response again."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.proxies.root_path import public_root
from dispatcher.api.request_body import canonical_body
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.submission import AcceptedBatch, IdempotencyKey, StoredResponse, Submission
from dispatcher.domain.messages.trace import read_traceparent
from dispatcher.service.context import Context
from dispatcher.service.submissions.submit import submit, submit_once


async def accept(
    request: Request,
    ctx: Context,
    caller: Caller,
    submission: Submission,
    *,
    answer: Callable[[AcceptedBatch], Response],
) -> Response:
    """
    Return the response that `answer` makes of the accepted batch.

    For an Idempotency-Key that was used before, it is the first response again.
    The trace of the request continues in the provider call. Raises what `submit`
    raises, KeyReused and StillRunning, and Invalid for a key that is not valid.
    """
    submission = replace(submission, traceparent=read_traceparent(request.headers.get("traceparent")))
    key = request.headers.get("idempotency-key")
    if key is None:
        return answer(await submit(ctx, caller, submission))
    body = await request.body()
    once = IdempotencyKey(
        key,
        _fingerprint(request, await canonical_body(body)),
        lambda batch: _stored(answer(batch)),
        exact=_fingerprint(request, body),
    )
    stored = await submit_once(ctx, caller, submission, once)
    headers = {**stored.headers, "Idempotent-Replayed": "true"} if stored.is_replayed else stored.headers
    return Response(stored.body, stored.status, headers=dict(headers))


def _fingerprint(request: Request, body: bytes) -> bytes:
    path = request.url.path.removeprefix(public_root(request.scope))  # the same with a proxy and without
    parts = [request.method, path, request.url.query]
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + body).digest()


def _stored(response: Response) -> StoredResponse:
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return StoredResponse(response.status_code, headers, bytes(response.body))
