"""
The attackers, in a process of their own: `python -m bench.attacks.attackers NAME`.

The target is read from stdin. Each prints how often it got each answer, as JSON.
"closed" is a connection that ended without one.
"""

import asyncio
import json
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

MIB = 1 << 20
_CONNECTIONS = 50
_LOGIN_CONNECTIONS = 16  # as many as the common tools that guess passwords open
_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """The API, the name of an operator there, and the key of a tenant who attacks."""

    host: str
    port: int
    operator: str
    key: str

    def dump(self) -> str:
        """Return the target as JSON."""
        return json.dumps(asdict(self))


Answers = Counter[str]


async def logins_of_many_names(target: Target) -> Answers:
    """Send 300 wrong logins, each with another name."""
    return await _logins(target, (f"name{number}" for number in range(300)))


async def logins_of_one_name(target: Target) -> Answers:
    """Send 300 wrong passwords for one operator."""
    return await _logins(target, (target.operator for _ in range(300)))


async def wrong_keys(target: Target) -> Answers:
    """Send 3,000 wrong API keys."""
    requests = (_request("GET", "/sms/x", {"X-API-Key": f"sms_wrong{n}"}) for n in range(3000))
    return await _send_all(target, requests)


async def unknown_bodies(target: Target) -> Answers:
    """Post 15 bodies of 10 MiB without a credential."""
    body = json.dumps({"numbers": ["+254700000000"] * (10 * MIB // 17), "message_body": "x"}).encode()
    request = _request("POST", "/api/v2/sms/send", {"Content-Type": "application/json"}, body)
    return await _send_all(target, [request] * 15, connections=15)


async def bodies_of_a_tenant(target: Target) -> Answers:
    """Post 15 bodies of 2 MiB with a key: 900,000 numbers that are none."""
    body = json.dumps({"numbers": [1] * 900_000, "message_body": "x"}, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "X-API-Key": target.key}
    request = _request("POST", "/api/v2/sms/send", headers, body)
    return await _send_all(target, [request] * 15, connections=15)


async def half_heads(target: Target) -> Answers:
    """Open 1,000 connections, and send half a head on each."""
    return await _hold(target, b"POST /sms HTTP/1.1\r\nHost: api\r\nX-", connections=1000)


async def half_bodies(target: Target) -> Answers:
    """Open 1,000 connections, and send half a body on each."""
    return await _hold(target, _request("POST", "/sms", {"Content-Length": "40000"}, b"{"), connections=1000)


async def large_heads(target: Target) -> Answers:
    """Send 4 heads of 100 MB."""
    head = b"GET /sms/x HTTP/1.1\r\nHost: api\r\nX-Large: " + b"x" * 100_000_000 + b"\r\n\r\n"
    return await _send_all(target, [head] * 4, connections=4)


ATTACKS: Mapping[str, Callable[[Target], Awaitable[Answers]]] = {
    "300 wrong logins, 300 names": logins_of_many_names,
    "300 wrong logins, one name": logins_of_one_name,
    "3,000 wrong keys": wrong_keys,
    "15 bodies of 10 MiB, nobody's": unknown_bodies,
    "15 bodies of 2 MiB, a tenant's": bodies_of_a_tenant,
    "1,000 half heads": half_heads,
    "1,000 half bodies": half_bodies,
    "4 heads of 100 MB": large_heads,
}


async def _logins(target: Target, names: Iterable[str]) -> Answers:
    def request(name: str) -> bytes:
        login = b64encode(f"{name}:a wrong password".encode()).decode()
        return _request("GET", "/manage/v1/lanes", {"Authorization": f"Basic {login}"})

    return await _send_all(target, map(request, names), connections=_LOGIN_CONNECTIONS)


async def _send_all(target: Target, requests: Iterable[bytes], *, connections: int = _CONNECTIONS) -> Answers:
    """Send the requests over so many connections, each of which waits for its answer."""
    answers: Answers = Counter()
    waiting = iter(requests)

    async def send_in_turn() -> None:
        for request in waiting:
            answers[await _answer(target, request)] += 1

    await asyncio.gather(*(send_in_turn() for _ in range(connections)))
    return answers


async def _answer(target: Target, request: bytes) -> str:
    """Return the status of the answer to one request, on a connection of its own."""
    try:
        async with asyncio.timeout(_DEADLINE):
            reader, writer = await asyncio.open_connection(target.host, target.port)
            sending = asyncio.ensure_future(_send(writer, request))
            try:
                head = await reader.readuntil(b"\r\n")
            finally:
                sending.cancel()
                writer.transport.abort()
    except TimeoutError:
        return "no answer"
    except (OSError, asyncio.IncompleteReadError):
        return "closed"
    return head[9:12].decode()


async def _send(writer: asyncio.StreamWriter, request: bytes) -> None:
    with suppress(OSError):
        for start in range(0, len(request), MIB):
            writer.write(request[start : start + MIB])
            await writer.drain()


async def _hold(target: Target, start: bytes, *, connections: int) -> Answers:
    """Open connections, send the start of a request on each, and wait for what comes, 15 s at most."""

    async def hold() -> str:
        try:
            async with asyncio.timeout(15):
                reader, writer = await asyncio.open_connection(target.host, target.port)
                writer.write(start)
                head = await reader.readline()
        except TimeoutError:
            return "still open"
        except OSError:
            return "closed"
        return head[9:12].decode() or "closed"

    return Counter(await asyncio.gather(*(hold() for _ in range(connections))))


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: api"]
    if "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ATTACKS[sys.argv[1]](Target(**json.load(sys.stdin))))))  # type: ignore[arg-type]
