"""What Redis shows: whether it takes writes, whether its queues are consumed, and the clocks of processes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from dispatcher.domain.accounts.failed_logins import add_up
from dispatcher.domain.duration import format_duration
from dispatcher.lanes.failures import TaskFailure
from dispatcher.lanes.heartbeats import LaneReading, Liveness, QueueState, liveness, queue_state
from dispatcher.lanes.process_report import ProcessReport
from dispatcher.service.health.finding import Finding, fail, ok, warn

MOST_DRIFT = timedelta(seconds=2)
"""How far a wall clock may be from Postgres; more is a finding."""

MANY_FAILED_LOGINS = 100
"""How many logins may fail in an hour; more are a finding."""

_REFUSALS = {
    "OOM": "its memory is full: raise `maxmemory` (`CONFIG SET maxmemory 2gb`)",
    "READONLY": "it is a replica: point REDIS_URL at the primary",
    "MISCONF": "it cannot save to its disk: make room there, and look at its log",
    "NOPERM": "its user may not write: give it `+@all ~*` (`ACL SETUSER`)",
}
# redis-py removes the first word of an error that it knows.
_WORDS = {
    "command not allowed when used memory": "OOM",
    "You can't write against a read only": "READONLY",
    "unable to persist": "MISCONF",
    "has no permissions": "NOPERM",
}


def writes(refusal: str) -> Finding:
    """Check that Redis takes writes; `refusal` is its word on one that it refused, "" if it took it."""
    if not refusal:
        return ok("redis writes", "it takes writes")
    known = next((code for part, code in _WORDS.items() if part in refusal), refusal.partition(" ")[0])
    advice = _REFUSALS.get(known, "look at its log")
    return fail("redis writes", f"it refuses them, and messages wait in Postgres: {refusal}", advice)


def queues(reading: LaneReading, *, now: datetime) -> Sequence[Finding]:
    """Check that each queue is consumed."""
    return [_queue(queue, reading, now) for queue in reading.consumed]


def processes(reading: LaneReading, *, now: datetime) -> Sequence[Finding]:
    """Return a warning for each process that hangs while others do its work, or that consumes nothing."""
    consumed = {
        queue for queue in reading.consumed if queue_state(queue, reading, now=now) is QueueState.CONSUMED
    }
    found = [
        report for report in reading.processes if report.queues <= consumed
    ]  # of others the finding of the queue speaks
    return [_process(report, words) for report in found if (words := hang(report, now=now))]


def hang(report: ProcessReport, *, now: datetime) -> str:
    """Return how a process that has not ended hangs, for operators; "" if it does not."""
    match liveness(report, now=now):
        case Liveness.SILENT:
            return f"it has reported nothing for {format_duration(now - report.at)}"
        case Liveness.STUCK:
            lasted = format_duration(now - (report.consumed or report.started))
            return f"it has consumed nothing for {lasted}"
        case Liveness.WORKS | Liveness.STARTING:
            return ""


def clocks(processes: Sequence[ProcessReport]) -> Sequence[Finding]:
    """Return a warning for each process whose wall clock is far from Postgres."""
    return [_clock(process) for process in processes if abs(process.ahead) > MOST_DRIFT]


def logins(processes: Sequence[ProcessReport]) -> Finding:
    """Check how many logins failed in the last hour, over all API processes."""
    failed = add_up([process.failed_logins for process in processes])
    if failed.count < MANY_FAILED_LOGINS:
        return ok("logins", f"{failed.count} failed in the last hour")
    text = f"{failed.count:,} failed in the last hour, {failed.most:,} or more from {failed.address}"
    return warn("logins", text, "the log names them (`login_failed`); block strangers at your proxy")


def background(failed: Sequence[TaskFailure]) -> Sequence[Finding]:
    """Return a warning for each thread or background task that failed in the last hour."""
    advice = "the log of that process has the traceback"
    return [warn("background", str(failure), advice) for failure in failed]


def _queue(queue: str, reading: LaneReading, now: datetime) -> Finding:
    subject, seen = f"queue {queue}", reading.consumed[queue]
    last = (
        "was never consumed"
        if seen is None
        else f"last consumed {format_duration(max(now - seen, timedelta()))} ago"
    )
    all_workers = reading.workers_of(queue)
    hanging = [worker for worker in all_workers if hang(worker, now=now)]
    workers = ", ".join(str(worker) for worker in hanging or all_workers)
    match queue_state(queue, reading, now=now):
        case QueueState.CONSUMED:
            return ok(subject, last)
        case QueueState.STARTING:
            return warn(subject, f"{last}: {workers} has just started", "wait some seconds")
        case QueueState.HANGS:
            return fail(subject, f"{last}, though {workers} has not ended: it hangs", "restart it")
        case QueueState.UNPROBED:
            return fail(subject, f"{last}: nobody probes the queues", "start `dispatcher beat`")
        case QueueState.ABSENT:
            advice = f"start `dispatcher worker {queue}`, and `dispatcher beat`, which probes it"
            return fail(subject, last, advice)


def _process(report: ProcessReport, words: str) -> Finding:
    return warn(f"process {report.name}", f"{words}, and has not ended: {report} hangs", "restart it")


def _clock(process: ProcessReport) -> Finding:
    direction = "ahead of" if process.ahead > timedelta() else "behind"
    text = f"the wall clock of {process} is {format_duration(process.ahead)} {direction} Postgres"
    return warn("process clocks", text, "run NTP on both machines; windows follow the time of Postgres")
