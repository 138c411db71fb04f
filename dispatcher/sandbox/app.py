"""The sandbox's HTTP API: submits and inbound messages, and its settings and counts, SMPP included."""

import asyncio
import hmac
import json
import time
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import ValidationError

from dispatcher.sandbox.handset import HandsetMessage
from dispatcher.sandbox.network import Network, ReceivedSubmit, SandboxMessage, SubmitDecision
from dispatcher.sandbox.numbers import SPECIAL, SubmitAnswer
from dispatcher.sandbox.receipts import ReceiptSender
from dispatcher.sandbox.settings import FixedAtStart, SandboxSettings, http_url
from dispatcher.sandbox.smsc import NoReceiverBound, Smsc

_SILENCE_SECONDS = 120.0
_MAX_PAGE = 10_000
_OPEN = frozenset({"/submit", "/numbers", "/healthz"})
_STATUS_OF_ERROR = {"account_refused": 403}


class Sandbox:
    """One simulated SMSC, with its state in memory."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.network = Network(settings.started())
        self._receipts: ReceiptSender | None = None
        self._smsc: Smsc | None = None
        self._in_flight = 0

    def app(self) -> web.Application:
        """Return the application; it opens and closes its resources with its server."""
        app = web.Application(client_max_size=1024 * 1024, middlewares=[_guard(self.network)])
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        app.add_routes(
            [
                web.post("/submit", self.submit),
                web.post("/inbound", self.inbound),
                web.get("/stats", self.stats),
                web.get("/messages", self.messages),
                web.get("/settings", self.settings),
                web.put("/settings", self.change_settings),
                web.post("/reset", self.reset),
                web.get("/numbers", self.numbers),
                web.get("/healthz", self.healthz),
            ]
        )
        return app

    async def submit(self, request: web.Request) -> web.Response:
        """Accept or refuse one message, by its number and the settings."""
        received_at = time.time()
        self._in_flight += 1
        try:
            token = self.network.settings.token
            if token and not _has_token(request, token):
                self.network.counts.invalid += 1
                return _error(401, "unauthorized", "the bearer token is missing or wrong")
            try:
                submit = _read_submit(await request.read(), received_at=received_at)
                if submit.receipt_url is not None:
                    self.network.settings.require_destination(submit.receipt_url)
            except ValueError as error:
                self.network.counts.invalid += 1
                return _error(400, "invalid", str(error))
            decision = self.network.submit(submit, now=time.monotonic())
            await self._report(submit, decision)
            if decision.delay:
                await asyncio.sleep(decision.delay)
            return await _response(request, decision)
        finally:
            self._in_flight -= 1

    async def inbound(self, request: web.Request) -> web.Response:
        """Deliver a handset's message: over SMPP if an ESME is bound to receive, else to the receipt URL."""
        try:
            message = HandsetMessage.model_validate_json(await request.read())
            return _json({"parts": self._deliver_inbound(message)}, status=202)
        except NoReceiverBound as error:
            return _error(409, "nobody_listens", str(error))
        except ValueError as error:
            return _error(400, "invalid", str(error))

    async def stats(self, request: web.Request) -> web.Response:
        """Return the counts of submits and receipts."""
        receipts, smsc = self._open_receipts, self.smsc
        now = {
            "pending_receipts": receipts.pending + smsc.pending,
            "in_flight": self._in_flight + smsc.in_flight,
            "binds": smsc.binds,
        }
        return _json(asdict(self.network.counts) | asdict(receipts.counts + smsc.counts) | now)

    async def messages(self, request: web.Request) -> web.Response:
        """Return the messages of one reference, to one number, or a page of all."""
        if (reference := request.query.get("reference")) is not None:
            found = self.network.messages.get(reference)
            return _json([found.as_json()] if found else [])
        if (number := request.query.get("to")) is not None:
            return _json([message.as_json() for message in self.network.messages_to(number)])
        offset, limit = request.query.get("offset", "0"), request.query.get("limit", "100")
        if not (offset.isdecimal() and limit.isdecimal()):
            return _error(400, "invalid", "offset and limit must be numbers")
        page = self.network.page(offset=int(offset), limit=min(int(limit), _MAX_PAGE))
        return _json([message.as_json() for message in page])

    async def settings(self, request: web.Request) -> web.Response:
        """Return the settings, with secrets hidden."""
        return _json(self.network.settings.public_values())

    async def change_settings(self, request: web.Request) -> web.Response:
        """Change the named settings from the next submit on."""
        try:
            changes = json.loads(await request.read())
            if not isinstance(changes, dict):
                return _error(400, "invalid", "the body must be an object of settings")
            self.network.change(self.network.settings.changed(changes))
        except (ValidationError, FixedAtStart) as error:
            return _error(422, "invalid", str(error))
        except ValueError:
            return _error(400, "invalid", "the body is not JSON")
        return await self.settings(request)

    async def reset(self, request: web.Request) -> web.Response:
        """Delete all messages, counts and pending receipts; the settings stay."""
        self.network.reset()
        await self._open_receipts.reset()
        self.smsc.reset()
        return _json({})

    async def numbers(self, request: web.Request) -> web.Response:
        """Return the effect of each special ending."""
        return _json({f"9900{ending}": script.what for ending, script in SPECIAL.items()})

    async def healthz(self, request: web.Request) -> web.Response:
        """Return 200: the sandbox runs."""
        return _json({"status": "ok"})

    @property
    def smsc(self) -> Smsc:
        """The SMPP server. It exists while the application runs, and listens after `open`."""
        if self._smsc is None:
            raise RuntimeError("the sandbox's application has not been started")
        return self._smsc

    @property
    def _open_receipts(self) -> ReceiptSender:
        if self._receipts is None:
            raise RuntimeError("the sandbox's application has not been started")
        return self._receipts

    async def _open(self, app: web.Application) -> None:
        self._receipts = ReceiptSender(lambda: self.network.settings)
        self._smsc = Smsc(self.network)

    async def _close(self, app: web.Application) -> None:
        await self.smsc.close()
        await self._open_receipts.close()

    def _deliver_inbound(self, message: HandsetMessage) -> int:
        url = self.network.settings.receipt_url
        try:
            return self.smsc.inbound(message)
        except NoReceiverBound:
            if url is None or message.system_id is not None or message.text is None:
                raise
        fields = {"from": message.sender, "to": message.recipient, "text": message.text}
        report: dict[str, object] = {"id": self.network.next_id(), **fields}
        self._open_receipts.schedule(url, report, delay=0, done=self._count_inbound)
        return 1

    def _count_inbound(self) -> None:
        self._open_receipts.counts.inbound_sent += 1

    async def _report(self, submit: ReceivedSubmit, decision: SubmitDecision) -> None:
        """Schedule the receipts; a receipt that must precede the response is sent now."""
        url = submit.receipt_url or self.network.settings.receipt_url
        if not url or not decision.receipts or decision.message is None:
            return
        delay = decision.delay + self.network.settings.receipt_delay_ms / 1000
        for step in decision.receipts:
            delay += step.wait
            for part in step.parts.of(decision.ids):
                report = _report_of(submit, None if decision.script.anonymous else part, step.word)
                done = partial(self._count_receipt, decision.message, step.word)
                if decision.script.early:
                    await self._open_receipts.send_now(url, report, done=done)
                else:
                    self._open_receipts.schedule(url, report, delay=delay, done=done)

    def _count_receipt(self, message: SandboxMessage, word: str) -> None:
        message.status = word
        self._open_receipts.counts.receipts_sent += 1


def _guard(network: Network) -> Middleware:
    """
    Return what each request must pass: the token, if it is for control, and a body that is JSON.

    A page in somebody's browser can send a body to any address, but not JSON.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _OPEN and not _has_token(request, network.settings.control_token):
            return _error(401, "unauthorized", "the control token is missing or wrong")
        if request.body_exists and request.content_type != "application/json":
            return _error(415, "not_json", "the Content-Type must be application/json")
        return await handler(request)

    return guarded


def _has_token(request: web.Request, token: str | None) -> bool:
    """Whether a request has this bearer token; without a token none has."""
    shown = request.headers.get("Authorization", "").encode(errors="replace")
    return bool(token) and hmac.compare_digest(shown, f"Bearer {token}".encode())


async def _response(request: web.Request, decision: SubmitDecision) -> web.Response:
    match decision.answer:
        case SubmitAnswer.ACCEPTED:
            return _json({"id": decision.ids[0], "ids": list(decision.ids), "status": "accepted"})
        case SubmitAnswer.REJECTED:
            return _error(_STATUS_OF_ERROR.get(decision.script.error, 422), decision.script.error, "rejected")
        case SubmitAnswer.LATER:
            return _error(503, "try_later", "not now", retry_after=decision.retry_after)
        case SubmitAnswer.THROTTLED:
            return _error(429, "throttled", "too fast", retry_after=decision.retry_after)
        case SubmitAnswer.SILENCE:
            await asyncio.sleep(_SILENCE_SECONDS)
        case SubmitAnswer.HANG_UP:
            pass
        case SubmitAnswer.FAILED:
            return _error(500, "internal", "something broke")
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _text_fields(body: bytes, *names: str) -> dict[str, Any]:
    """Return an object in which these fields are texts. Raises ValueError."""
    try:
        fields: Any = json.loads(body)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("the body must be an object")  # noqa: TRY004 - one error class for the caller
    for name in names:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise ValueError(f"{name} is missing or not a text")
    return fields


def _read_submit(body: bytes, *, received_at: float) -> ReceivedSubmit:
    """Return the submit. Raises ValueError."""
    fields = _text_fields(body, "to", "text", "reference")
    segments = fields.get("segments", 1)
    if not isinstance(segments, int) or not 1 <= segments <= 255:
        raise ValueError("segments must be a number from 1 to 255")
    url = None if fields.get("receipt_url") is None else http_url(str(fields["receipt_url"]))
    return ReceivedSubmit(
        reference=fields["reference"],
        to=fields["to"],
        sender=fields.get("from"),
        text=fields["text"],
        segments=segments,
        tier=fields.get("tier"),
        receipt_url=url,
        received_at=received_at,
    )


def _report_of(submit: ReceivedSubmit, ref: str | None, word: str) -> dict[str, object]:
    return {"id": ref, "reference": submit.reference, "to": submit.to, "status": word}


def _error(status: int, code: str, message: str, *, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    return _json({"error": {"code": code, "message": message}}, status=status, headers=headers)


def _json(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    data = json.dumps(body).encode()
    return web.Response(body=data, status=status, headers=headers, content_type="application/json")
