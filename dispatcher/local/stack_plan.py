"""The plan of a stack on one machine: its data directory, addresses and processes."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from dispatcher.domain.errors import Misconfigured
from dispatcher.local import process_commands
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.ports import LOOPBACK, require_free_port
from dispatcher.local.private_file import write_private
from dispatcher.sandbox.provider_options import http_options

PROVIDER = "sandbox"

_TPS = 2000
_SANDBOX_SECRETS = ("receipt_secret", "control_token")
_WILDCARDS = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104 - compared, not bound to
_NICE = {"system": 5, "bulk": 10}


@dataclass(frozen=True, slots=True)
class StackPlan:
    """
    One stack on one machine.

    The API listens on `host`, and so does Flower if it has a login. Otherwise
    Flower listens on this machine only, as the sandbox does. `variables` override
    the environment, and `provider` overrides the provider settings of the sandbox.
    """

    directory: Path
    host: str = LOOPBACK
    port: int = 8080
    flower_port: int = 5555
    sandbox_port: int = 8090
    variables: Mapping[str, str] = field(default_factory=dict)
    provider: Mapping[str, object] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """The URL of the API, from this machine."""
        return _url(self.host, self.port)

    @property
    def flower_url(self) -> str:
        """The URL of Flower, from this machine."""
        return _url(self._flower_host, self.flower_port)

    @property
    def sandbox_url(self) -> str:
        """The URL of the sandbox."""
        return _url(LOOPBACK, self.sandbox_port)

    @property
    def urls(self) -> Mapping[str, str]:
        """All three URLs by their names in credentials.json."""
        return {"base_url": self.base_url, "flower_url": self.flower_url, "sandbox_url": self.sandbox_url}

    @property
    def sandbox_token(self) -> str:
        """The control token of the sandbox."""
        return self._sandbox_secret("control_token")

    @property
    def _flower_host(self) -> str:
        return self.host if process_commands.flower_environment() else LOOPBACK

    @property
    def _sandbox_file(self) -> Path:
        return self.directory / "sandbox.json"

    def require_ports(self) -> None:
        """Raise Misconfigured if a port is taken, with the option that chooses another."""
        wanted = [
            ("--port", self.host, self.port, "the API"),
            ("--flower-port", self._flower_host, self.flower_port, "Flower"),
            ("--sandbox-port", LOOPBACK, self.sandbox_port, "the sandbox"),
        ]
        taken: dict[int, str] = {}
        for option, host, port, what in wanted:
            if port in taken:
                raise Misconfigured(f"{taken[port]} and {option} are both {port}: choose different ports")
            taken[port] = option
            require_free_port(host, port, what, option=option)

    def environment(self) -> Mapping[str, str]:
        """
        Return the environment of all processes; providers and a secret set by the user win.

        Numbers are simulated only if the sandbox is the provider, because real ones may end in 9900NN too.
        """
        own = dict(self.variables)
        provider = self._provider()  # always: it writes the file with which the sandbox starts
        if not has_own_providers():
            own["DISPATCHER_PROVIDERS"] = json.dumps([provider])
            own.setdefault("DISPATCHER_SIMULATED_NUMBERS", "true")
        if not _is_set("DISPATCHER_JWT_SECRET"):
            own["DISPATCHER_JWT_SECRET"] = self._jwt_secret()
        return own

    def processes(self) -> Sequence[ManagedProcess]:
        """Return the processes in the order they start, without the databases."""
        workers = [
            ManagedProcess(
                name=name,
                argv=process_commands.worker(queue, name=name.removeprefix("worker-")),
                nice=_NICE.get(queue, 0),
                stop_timeout=timedelta(seconds=8),
                together=True,
            )
            for name, queue in process_commands.WORKERS.items()
        ]
        flower = process_commands.flower(self._flower_host, self.flower_port)
        found = [
            ManagedProcess(
                name="sandbox",
                argv=process_commands.sandbox(
                    LOOPBACK, self.sandbox_port, self._sandbox_file, post_to=urlsplit(self.base_url).netloc
                ),
                stop_timeout=timedelta(seconds=1),
            ),
            ManagedProcess(
                name="api",
                argv=process_commands.api(self.host, self.port),
                stop_timeout=timedelta(seconds=4),
            ),
            *workers,
            ManagedProcess(
                name="beat", argv=process_commands.beat(), stop_timeout=timedelta(seconds=8), together=True
            ),
            ManagedProcess(
                name="flower",
                argv=flower,
                env=process_commands.flower_environment(),
                stop_timeout=timedelta(seconds=8),
                together=True,
            ),
        ]
        return [with_its_secrets(process) for process in found]

    def _provider(self) -> Mapping[str, object]:
        options = http_options(
            self.sandbox_url,
            receipt_url=f"{self.base_url}/receipts/{PROVIDER}",
            receipt_secret=self._sandbox_secret("receipt_secret"),
        )
        return {
            "name": PROVIDER,
            "plugin": "http",
            "tps": _TPS,
            "takes": "both",
            "options": options,
            **self.provider,
        }

    def _sandbox_secret(self, wanted: str) -> str:
        """Return a secret of the sandbox's settings, which are created once and kept."""
        try:
            settings = json.loads(self._sandbox_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            settings = {}
        except ValueError:
            raise Misconfigured(f"{self._sandbox_file} is not JSON: correct it, or remove it") from None
        if missing := [name for name in _SANDBOX_SECRETS if not settings.get(name)]:
            settings |= {name: secrets.token_urlsafe(24) for name in missing}
            write_private(self._sandbox_file, json.dumps(settings, indent=2) + "\n")
        return str(settings[wanted])

    def _jwt_secret(self) -> str:
        """Return the key that signs tokens, created once: a new one would invalidate them all."""
        file = self.directory / "jwt.key"
        secret = file.read_text(encoding="ascii", errors="replace").strip() if file.exists() else ""
        if not secret:
            secret = secrets.token_urlsafe(48)
            write_private(file, f"{secret}\n")
        return secret


def with_its_secrets(process: ManagedProcess) -> ManagedProcess:
    """Return the process without the secrets that it does not need."""
    return replace(process, without=process_commands.unneeded_secrets(process.name))


def has_own_providers() -> bool:
    """Return whether the environment names providers, which are used instead of the sandbox."""
    return _is_set("DISPATCHER_PROVIDERS")


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def _url(host: str, port: int) -> str:
    host = _WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
