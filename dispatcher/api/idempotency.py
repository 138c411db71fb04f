"""Submitting over HTTP: with an Idempotency-Key the same request again gets the same response."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.submission import AcceptedBatch, IdempotencyKey, StoredResponse, Submission
from dispatcher.domain.messages.trace import read_traceparent
from dispatcher.service.context import Context
from dispatcher.service.submissions.submit import submit, submit_once

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def accept(
    request: Request,
    ctx: Context,
    caller: Caller,
    submission: Submission,
    *,
    answer: Callable[[AcceptedBatch], Response],
) -> Response:
    """
    Submit, and return the response that `answer` makes of the batch. The trace of
    the request is carried on into the provider call.

    With an Idempotency-Key that was used before, the first response is returned
    again. Raises what `submit` does, KeyReused and StillRunning, and Invalid for a
    key that is not valid.
    """
    submission = replace(submission, traceparent=read_traceparent(request.headers.get("traceparent")))
    key = request.headers.get("idempotency-key")
    if key is None:
        return answer(await submit(ctx, caller, submission))
    if not _KEY.fullmatch(key):
        raise Invalid("Idempotency-Key must be 1 to 255 printable ASCII characters without blanks")
    once = IdempotencyKey(key, await _fingerprint(request), lambda batch: _kept(answer(batch)))
    kept = await submit_once(ctx, caller, submission, once)
    headers = {**kept.headers, "Idempotent-Replayed": "true"} if kept.is_replayed else kept.headers
    return Response(kept.body, kept.status, headers=dict(headers))


async def _fingerprint(request: Request) -> bytes:
    parts = [request.method, request.url.path, request.url.query]
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + await request.body()).digest()


def _kept(response: Response) -> StoredResponse:
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return StoredResponse(response.status_code, headers, bytes(response.body))
