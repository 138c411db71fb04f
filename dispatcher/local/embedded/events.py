"""What a supervisor reports of its processes, as values, and the words for each."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ProcessReady:
    """It was started, and does its work."""

    name: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """It ended by itself, or was killed; `restart_in` is None where nothing is restarted."""

    name: str
    how: str
    restart_in: timedelta | None


@dataclass(frozen=True, slots=True)
class ProcessRestarted:
    """It was started again after it had died."""

    name: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class RestartFailed:
    """It could not be started again."""

    name: str
    error: str
    retry_in: timedelta


@dataclass(frozen=True, slots=True)
class ProcessStopped:
    """It was asked to stop; `in_time` is False if it had to be killed."""

    name: str
    in_time: bool


@dataclass(frozen=True, slots=True)
class OrphanStopped:
    """It was left over from a run that was killed, and was stopped."""

    name: str


ProcessEvent = ProcessReady | ProcessDied | ProcessRestarted | RestartFailed | ProcessStopped | OrphanStopped


def describe(event: ProcessEvent) -> str:
    """Return the words that follow the name of the process."""
    match event:
        case ProcessReady(after=after):
            return f"is ready after {after.total_seconds():.1f} s"
        case ProcessDied(how=how, restart_in=None):
            return how
        case ProcessDied(how=how, restart_in=timedelta() as delay):
            return f"{how}; starts again in {delay.total_seconds():.1f} s"
        case ProcessRestarted(pid=pid):
            return f"started again as pid {pid}"
        case RestartFailed(error=error, retry_in=delay):
            return f"{error}; tries again in {delay.total_seconds():.1f} s"
        case ProcessStopped(in_time=True):
            return "stopped"
        case ProcessStopped():
            return "did not stop in time; killed it"
        case OrphanStopped():
            return "of a killed run was still there; stopped it"
    raise AssertionError(f"no words for {event}")
