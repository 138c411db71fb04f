"""Requests: everything that is the same for all messages is prepared once, the rest is filled in."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import httpx

from dispatcher.providers.contract import Outgoing
from dispatcher.providers.generic_http.batch import BatchFormat
from dispatcher.providers.generic_http.options import HttpOptions
from dispatcher.providers.generic_http.template import (
    Values,
    fill,
    fill_fields,
    fill_json,
    message_values,
    placeholders_in,
    placeholders_within,
)
from dispatcher.providers.validity import time_left

_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class RequestTemplate:
    """
    A request with placeholders for what differs by message.

    `defaults` are headers that the options may override. httpx would merge and
    copy all headers for each request, which costs more than the network.
    """

    def __init__(
        self,
        options: HttpOptions,
        *,
        defaults: httpx.Headers,
        receipt_url: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._clock = clock
        self._receipt_url = receipt_url
        templates = [options.body_json, options.body_form, options.body_text, options.query, options.headers]
        self._names = tuple(placeholders_within(templates))
        self._url = httpx.URL(options.url)
        auth = httpx.Headers(options.auth.headers() if options.auth else None)
        own = {name: text for name, text in options.headers.items() if name not in auth}
        self._varying = {name: text for name, text in own.items() if placeholders_in(text)}
        headers = httpx.Headers([(b"Host", self._url.netloc)])
        headers.update(defaults)
        if options.body_json is not None:
            headers["Content-Type"] = "application/json"
        if options.body_form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if options.body_text is not None:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        headers.update(fill_fields({name: own[name] for name in own if name not in self._varying}, {}))
        headers.update(auth)
        for name in self._varying:
            headers.pop(name, None)
        self._fixed = headers.raw

    def fill(self, message: Outgoing) -> httpx.Request:
        """Return the request for this message."""
        values = self._values(message)
        return self._request(values, self._body(values), message.traceparent)

    def fill_all(self, batch: BatchFormat, messages: Sequence[Outgoing]) -> httpx.Request:
        """Return one request for all these messages; only a request for one message carries its trace."""
        each = [self._values(message) for message in messages]
        body = _to_json(batch.fill(self._options.body_json, each)).encode()
        return self._request(each[0], body, messages[0].traceparent if len(messages) == 1 else None)

    def _values(self, message: Outgoing) -> Values:
        return message_values(
            message, receipt_url=self._receipt_url, names=self._names, time_left=self._time_left
        )

    def _time_left(self, message: Outgoing) -> tuple[datetime, timedelta]:
        """Return the time, and how long from then the provider may try to deliver a message."""
        now, bounds = datetime.fromtimestamp(self._clock(), UTC), self._options.validity
        return now, time_left(message.not_after, now=now, shortest=bounds.min, longest=bounds.max)

    def _request(self, values: Values, body: bytes, traceparent: str | None) -> httpx.Request:
        options = self._options
        query = fill_fields(options.query, values)
        headers = [*self._fixed]
        for name, value in fill_fields(self._varying, values).items():
            headers.append((name.encode(), value.encode("ascii")))
        if traceparent is not None:
            headers.append((b"traceparent", traceparent.encode("ascii")))
        if body or options.method != "GET":
            headers.append((b"Content-Length", b"%d" % len(body)))
        return httpx.Request(
            options.method,
            self._url.copy_merge_params(query) if query else self._url,
            headers=headers,
            stream=httpx.ByteStream(body),
        )

    def _body(self, values: Values) -> bytes:
        if self._options.body_json is not None:
            return _to_json(fill_json(self._options.body_json, values)).encode()
        if self._options.body_form is not None:
            return urlencode(fill_fields(self._options.body_form, values)).encode()
        return fill(self._options.body_text, values).encode() if self._options.body_text is not None else b""
