"""The events that a supervisor reports of its processes, and a description of each."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ProcessReady:
    """A process was started and is ready."""

    name: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """A process ended by itself or was killed; `restart_in` is None if it is not restarted."""

    name: str
    how: str
    restart_in: timedelta | None


@dataclass(frozen=True, slots=True)
class ProcessRestarted:
    """A process that had died was restarted."""

    name: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class RestartFailed:
    """A process that had died could not be restarted."""

    name: str
    error: str
    retry_in: timedelta


@dataclass(frozen=True, slots=True)
class ProcessStopped:
    """A process was asked to stop; `in_time` is False if it had to be killed."""

    name: str
    in_time: bool


@dataclass(frozen=True, slots=True)
class OrphanStopped:
    """A process that a killed run had left was stopped."""

    name: str


ProcessEvent = ProcessReady | ProcessDied | ProcessRestarted | RestartFailed | ProcessStopped | OrphanStopped


def describe(event: ProcessEvent) -> str:
    """Return the description that follows the name of the process."""
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
            return "was left by a killed run; stopped it"
    raise AssertionError(f"no description for {event}")
