"""The sandbox's HTTP face: submits on one side, settings and counts, also of SMPP, on the other."""

import asyncio
import hmac
import json
import time
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from dispatcher.sandbox.network import Network, ReceivedSubmit, SandboxMessage, SubmitDecision
from dispatcher.sandbox.numbers import SPECIAL, SubmitAnswer
from dispatcher.sandbox.receipts import ReceiptSender
from dispatcher.sandbox.settings import SandboxSettings, http_url
from dispatcher.sandbox.smsc import NoReceiverBound, Smsc

_SILENCE_SECONDS = 120.0
_MAX_PAGE = 10_000
_STATUS_OF_ERROR = {"account_refused": 403}


class Sandbox:
    """One simulated SMSC. Its state lives as long as it does."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.network = Network(settings)
        self._receipts: ReceiptSender | None = None
        self._smsc: Smsc | None = None
        self._in_flight = 0

    def app(self) -> web.Application:
        """Make the application; it opens and closes what it needs with its server."""
        app = web.Application(client_max_size=1024 * 1024)
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        app.add_routes(
            [
                web.post("/submit", self.submit),
                web.post("/inbound", self.inbound),
                web.get("/stats", self.stats),
                web.get("/messages", self.messages),
                web.get("/settings", self.settings),
                web.put("/settings", self.change),
                web.post("/reset", self.reset),
                web.get("/numbers", self.numbers),
                web.get("/healthz", self.healthz),
            ]
        )
        return app

    async def submit(self, request: web.Request) -> web.Response:
        """Take one message, or not, as its number and the settings say."""
        received_at = time.time()
        self._in_flight += 1
        try:
            if not self._may_submit(request):
                self.network.counts.invalid += 1
                return _error(401, "unauthorized", "no or wrong bearer token")
            try:
                submit = _read_submit(await request.read(), received_at=received_at)
            except ValueError as wrong:
                self.network.counts.invalid += 1
                return _error(400, "invalid", str(wrong))
            verdict = self.network.submit(submit, now=time.monotonic())
            await self._report(submit, verdict)
            if verdict.delay:
                await asyncio.sleep(verdict.delay)
            return await _answer(request, verdict)
        finally:
            self._in_flight -= 1

    async def inbound(self, request: web.Request) -> web.Response:
        """Tell what a handset wrote: over SMPP if an ESME receives, else where receipts go."""
        try:
            told = _text_fields(await request.read(), "from", "to", "text")
            return _json({"parts": self._hear(told)}, status=202)
        except NoReceiverBound as nobody:
            return _error(409, "nobody_listens", str(nobody))
        except ValueError as wrong:
            return _error(400, "invalid", str(wrong))

    async def stats(self, request: web.Request) -> web.Response:
        """Say what came in and what went out."""
        receipts, smsc = self._open_receipts, self.smsc
        now = {
            "pending_receipts": receipts.pending + smsc.pending,
            "in_flight": self._in_flight + smsc.in_flight,
            "binds": smsc.binds,
        }
        return _json(asdict(self.network.counts) | asdict(receipts.counts + smsc.counts) | now)

    async def messages(self, request: web.Request) -> web.Response:
        """List what it has: of one reference, to one number, or a page of all."""
        if (reference := request.query.get("reference")) is not None:
            found = self.network.messages.get(reference)
            return _json([found.shown()] if found else [])
        if (number := request.query.get("to")) is not None:
            return _json([message.shown() for message in self.network.to(number)])
        offset, limit = request.query.get("offset", "0"), request.query.get("limit", "100")
        if not (offset.isdecimal() and limit.isdecimal()):
            return _error(400, "invalid", "offset and limit are numbers")
        page = self.network.page(offset=int(offset), limit=min(int(limit), _MAX_PAGE))
        return _json([message.shown() for message in page])

    async def settings(self, request: web.Request) -> web.Response:
        """Show the settings, secrets hidden."""
        return _json(self.network.settings.shown())

    async def change(self, request: web.Request) -> web.Response:
        """Change those settings that are named; they hold from the next submit on."""
        try:
            changes = json.loads(await request.read())
            if not isinstance(changes, dict):
                return _error(400, "invalid", "an object of settings is expected")
            self.network.change(self.network.settings.changed(changes))
        except ValidationError as wrong:
            return _error(422, "invalid", str(wrong))
        except ValueError:
            return _error(400, "invalid", "this is not JSON")
        return await self.settings(request)

    async def reset(self, request: web.Request) -> web.Response:
        """Forget all messages, counts and waiting receipts; the settings stay."""
        self.network.reset()
        await self._open_receipts.reset()
        self.smsc.reset()
        return _json({})

    async def numbers(self, request: web.Request) -> web.Response:
        """Say what each special ending does."""
        return _json({f"9900{ending}": script.what for ending, script in SPECIAL.items()})

    async def healthz(self, request: web.Request) -> web.Response:
        """Say that it lives."""
        return _json({"status": "ok"})

    @property
    def smsc(self) -> Smsc:
        """The SMPP face, which is there while the application runs, and listens when it is opened."""
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

    def _may_submit(self, request: web.Request) -> bool:
        token = self.network.settings.token
        shown = request.headers.get("Authorization", "")
        return not token or hmac.compare_digest(shown.encode(), f"Bearer {token}".encode())

    def _hear(self, told: dict[str, Any]) -> int:
        url, system_id = self.network.settings.receipt_url, told.get("system_id")
        try:
            return self.smsc.inbound(told["from"], told["to"], told["text"], system_id=system_id)
        except NoReceiverBound:
            if url is None or system_id is not None:
                raise
        report = {"id": self.network.next_id(), **{name: told[name] for name in ("from", "to", "text")}}
        self._open_receipts.schedule(url, report, delay=0, done=self._heard)
        return 1

    def _heard(self) -> None:
        self._open_receipts.counts.inbound_sent += 1

    async def _report(self, submit: ReceivedSubmit, verdict: SubmitDecision) -> None:
        """Schedule the receipts; one that must be there before the answer is sent at once."""
        url = submit.receipt_url or self.network.settings.receipt_url
        if not url or not verdict.receipts or verdict.message is None:
            return
        delay = verdict.delay + self.network.settings.receipt_delay_ms / 1000
        for step in verdict.receipts:
            delay += step.wait
            for part in step.parts.of(verdict.ids):
                report = _report_of(submit, None if verdict.script.anonymous else part, step.word)
                done = partial(self._told, verdict.message, step.word)
                if verdict.script.early:
                    await self._open_receipts.send_now(url, report, done=done)
                else:
                    self._open_receipts.schedule(url, report, delay=delay, done=done)

    def _told(self, message: SandboxMessage, word: str) -> None:
        message.status = word
        self._open_receipts.counts.receipts_sent += 1


async def _answer(request: web.Request, verdict: SubmitDecision) -> web.Response:
    match verdict.answer:
        case SubmitAnswer.ACCEPTED:
            return _json({"id": verdict.ids[0], "ids": list(verdict.ids), "status": "accepted"})
        case SubmitAnswer.REJECTED:
            return _error(_STATUS_OF_ERROR.get(verdict.script.error, 422), verdict.script.error, "rejected")
        case SubmitAnswer.LATER:
            return _error(503, "try_later", "not now", retry_after=verdict.retry_after)
        case SubmitAnswer.THROTTLED:
            return _error(429, "throttled", "too fast", retry_after=verdict.retry_after)
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
    """Read an object in which these are texts; ValueError says what is wrong with it."""
    try:
        fields: Any = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(fields, dict):
        raise ValueError("an object is expected")  # noqa: TRY004 - one kind of error for the caller
    for name in names:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise ValueError(f"{name} is missing or not a text")
    return fields


def _read_submit(body: bytes, *, received_at: float) -> ReceivedSubmit:
    """Read a submit; ValueError says what is wrong with it."""
    fields = _text_fields(body, "to", "text", "reference")
    segments = fields.get("segments", 1)
    if not isinstance(segments, int) or not 1 <= segments <= 255:
        raise ValueError("segments is not a number from 1 to 255")
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


def _error(status: int, code: str, words: str, *, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    return _json({"error": {"code": code, "message": words}}, status=status, headers=headers)


def _json(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    data = json.dumps(body).encode()
    return web.Response(body=data, status=status, headers=headers, content_type="application/json")
