"""
The checks of `dispatcher doctor`: each checks one thing and returns its findings.

They open their own connections, so that a fault in the dispatcher's own
connections does not hide another one.
"""

import shlex
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from redis.exceptions import RedisError

from dispatcher.domain.duration import format_duration
from dispatcher.lanes.connect import open_redis
from dispatcher.service.health.finding import Finding, fail, ok, warn
from dispatcher.service.receipts.listing import MOST
from dispatcher.settings import Settings
from dispatcher.store.database_url import connect_arguments

_TIMEOUT = 5
_OLDEST_POSTGRES = 14
_CLOCK_OFF = timedelta(seconds=1)
_SCARCE, _FULL = 1_000_000_000, 100_000_000

_PRIVATE = ("credentials.json", "environment", "jwt.key", "sandbox.json")


def postgres(settings: Settings) -> Sequence[Finding]:
    """Check that Postgres can be reached, its version and its clock."""
    arguments = connect_arguments(settings.database_url.get_secret_value())
    try:
        with psycopg.connect(**{**arguments, "connect_timeout": _TIMEOUT}, autocommit=True) as connection:
            began = time.perf_counter()
            server_time, version, read_only, pid = connection.execute(
                "SELECT clock_timestamp(), current_setting('server_version_num')::int, pg_is_in_recovery(),"
                " pg_backend_pid()"
            ).fetchone() or (None, 0, False, 0)
            round_trip = timedelta(seconds=time.perf_counter() - began)
            is_pooled = pid != connection.info.backend_pid
    except psycopg.Error as error:
        return [
            fail(
                "postgres", f"cannot be reached: {_line(error)}", "is it running, and is DATABASE_URL right?"
            )
        ]
    version_found = _version(version, round_trip, read_only=read_only, is_pooled=is_pooled)
    return [version_found, _clock(server_time, round_trip)]


def redis_server(settings: Settings) -> Sequence[Finding]:
    """Check that Redis can be reached, and that it keeps its data."""
    client = open_redis(settings.redis_url.get_secret_value())
    try:
        info: Mapping[str, object] = client.info()
    except (RedisError, OSError) as error:
        advice = "is it running, and is REDIS_URL right? Messages wait in Postgres meanwhile"
        return [fail("redis", f"cannot be reached: {_line(error)}", advice)]
    finally:
        client.close()
    name = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version", info.get("redis_version"))
    return [ok("redis", f"{name} {version}"), _eviction(info), _persistence(info)]


def providers(settings: Settings) -> Finding:
    """Check that there is a provider."""
    if not settings.providers:
        return fail(
            "providers",
            "none is configured: messages are refused at accept with 28 No route",
            "set DISPATCHER_PROVIDERS",
        )
    return ok("providers", ", ".join(f"{p.name} ({p.plugin}, {p.tps:g} TPS)" for p in settings.providers))


def unsigned(settings: Settings) -> Sequence[Finding]:
    """Warn of each provider whose receipts and inbound messages are believed whoever sends them."""
    return [
        warn(
            "providers",
            f"{provider.name} believes everybody who knows its receipt URL",
            f'see docs/providers/{provider.plugin}.md, and replace "signature": {{"kind": "none"}}',
        )
        for provider in settings.providers
        if _has_no_signature(provider.options)
    ]


def _has_no_signature(options: object) -> bool:
    """Whether options say anywhere that the signature is none: plug-ins have it in different places."""
    match options:
        case {"signature": {"kind": "none"}}:
            return True
        case Mapping():
            return any(map(_has_no_signature, options.values()))
    return False


def receipts(unknown: int) -> Finding:
    """Check how many receipts of the last 7 days matched no message."""
    if not unknown:
        return ok("receipts", "all of the last 7 days matched a message, or are retried")
    count = f"{unknown:,} or more" if unknown >= MOST else f"{unknown:,}"
    advice = "`dispatcher receipt list`: does each provider call its own /receipts/NAME?"
    return warn("receipts", f"of the last 7 days that match no message: {count}", advice)


def remarks(remarked: int) -> Sequence[Finding]:
    """Return a warning if something was odd about receipts of the last 7 days."""
    if not remarked:
        return []
    count = f"{remarked:,} or more" if remarked >= MOST else f"{remarked:,}"
    advice = "`dispatcher receipt list --remarked` says what each provider should be asked"
    return [warn("receipts", f"of the last 7 days about which something was odd: {count}", advice)]


def private_files(directory: Path) -> Sequence[Finding]:
    """Check that only their owner can read the secrets of a data directory; no finding if it has none."""
    findings = []
    for file in (directory / name for name in _PRIVATE):
        if file.exists():
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o077:
                findings.append(
                    fail(
                        file.name,
                        f"mode {mode:04o}: others can read it",
                        f"chmod 600 {shlex.quote(str(file))}",
                    )
                )
            else:
                findings.append(ok(file.name, f"mode {mode:04o}"))
    return findings


def disk(directory: Path) -> Finding:
    """Check the free space on the disk of a directory, or of its nearest parent that exists."""
    place = next(folder for folder in (directory, *directory.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:.1f} GB free at {place}"
    if free < _FULL:
        return fail("disk", text, "make room: Postgres stops when the disk is full")
    return warn("disk", text, "make room soon") if free < _SCARCE else ok("disk", text)


def _version(number: int, round_trip: timedelta, *, read_only: bool, is_pooled: bool) -> Finding:
    text = f"version {number // 10_000}.{number % 10_000}, answers in {format_duration(round_trip)}"
    text += ", through a pooler" * is_pooled
    if read_only:
        return fail(
            "postgres",
            f"{text}, but is a read-only standby",
            "point DATABASE_URL at the primary, or list all servers as docs/servers.md shows",
        )
    if number < _OLDEST_POSTGRES * 10_000:
        return fail("postgres", text, f"use PostgreSQL {_OLDEST_POSTGRES} or newer")
    return ok("postgres", text)


def _clock(server_time: object, round_trip: timedelta) -> Finding:
    if not isinstance(server_time, datetime):
        return fail("clock", "Postgres did not report its time", "see postgres")
    offset = server_time - (datetime.now(UTC) - round_trip / 2)
    direction = "behind" if offset > timedelta() else "ahead of"
    text = f"this machine is {format_duration(offset)} {direction} Postgres"
    if abs(offset) > _CLOCK_OFF:
        return warn("clock", text, "run NTP on both; windows follow the time of Postgres")
    return ok("clock", text)


def _eviction(info: Mapping[str, object]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy == "noeviction" or info.get("maxmemory") == 0:
        return ok("redis memory", f"{policy}, {info.get('used_memory_human', '?')} used")
    return fail("redis memory", f"evicts by {policy}", "CONFIG SET maxmemory-policy noeviction")


def _persistence(info: Mapping[str, object]) -> Finding:
    if info.get("aof_enabled"):
        if info.get("aof_last_write_status", "ok") != "ok":
            return warn(
                "redis disk", "its append-only file cannot be written", "look at its log and its disk"
            )
        return ok("redis disk", "append-only file on")
    advice = "set appendonly yes; without it messages wait for the clock after a restart"
    return warn("redis disk", "append-only file off", advice)


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
