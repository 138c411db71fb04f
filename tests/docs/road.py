"""A trace of one Emess message: every function of ours that runs from the POST to the receipt."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from types import FrameType
from typing import Literal

import httpx
import psycopg
from celery import Celery
from pydantic import SecretStr

from dispatcher.bootstrap import DELIVER, celery_app, open_context
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.delivery.provider import Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.sandbox import SandboxSettings, http_options, serving
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.service.background import BackgroundTasks
from dispatcher.service.callbacks.sender import CallbackSender
from dispatcher.service.provider_health import ProviderHealth
from dispatcher.settings import ProviderSettings, Settings
from tests.api.server import running_api
from tests.conftest import plain_url
from workers.loop import LoopThread
from workers.own_queue import OwnQueue
from workers.process import ProcessParts, opener
from workers.tasks import add_tasks

ROOT = Path(__file__).parents[2]
Part = Literal["submit", "deliver", "receipt"]
PARTS: tuple[Part, ...] = ("submit", "deliver", "receipt")

Step = tuple[str, str]
"""A file, and a function in it by its qualified name."""

_OURS = (f"{ROOT}/dispatcher/", f"{ROOT}/workers/")
_NOT_THE_ROAD = (f"{ROOT}/dispatcher/sandbox/", f"{ROOT}/dispatcher/local/")
_BACKGROUND = {
    BackgroundTasks._supervise.__qualname__,
    CallbackSender.run.__qualname__,
    ProviderHealth._keep_refreshing.__qualname__,
}
"""Tasks that run beside the messages: what they call is not the message's road."""

_DEADLINE = 30.0
_SECRET = "a secret for tests"
_SETTLE = 0.1  # what a hop leaves to a background thread is done by then


@dataclass
class Recorder:
    """Notes each function of ours that is entered while `part` is set, in order."""

    part: Part | None = None
    steps: dict[Part, dict[Step, None]] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        part, code = self.part, frame.f_code
        if part is None or event != "call" or not _is_ours(code.co_filename) or _is_background(frame):
            return
        step = (str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname)
        self.steps.setdefault(part, {})[step] = None

    @contextmanager
    def recording(self, part: Part) -> Iterator[None]:
        self.part = part
        try:
            yield
            time.sleep(_SETTLE)
        finally:
            self.part = None


@dataclass(frozen=True, slots=True)
class Road:
    """What ran for each message, part by part."""

    messages: list[dict[Part, dict[Step, None]]]

    def ever(self, part: Part) -> set[Step]:
        """The steps that any of the messages took."""
        return {step for message in self.messages for step in message[part]}

    def always(self, part: Part) -> set[Step]:
        """The steps that each message took."""
        return set.intersection(*(set(message[part]) for message in self.messages))


def travel(settings: Settings, *, messages: int = 3) -> Road:
    """Send messages one by one through the API, a worker and the sandbox, over real HTTP."""
    recorder = Recorder()
    with _profiled(recorder), _sandbox() as sandbox:
        ours = _with_provider(settings, http_options(sandbox, receipt_secret=_SECRET))
        app = asyncio.run(_application(ours))
        with running_api(ours) as url:
            options = http_options(sandbox, receipt_url=f"{url}/receipts/sandbox", receipt_secret=_SECRET)
            sending = _with_provider(settings, options)
            with _worker(sending) as celery, _client(url, app) as http:
                return Road([_one_message(recorder, ours, celery, http) for _ in range(messages)])


def _one_message(
    recorder: Recorder, settings: Settings, celery: Celery, http: httpx.Client
) -> dict[Part, dict[Step, None]]:
    recorder.steps = {}
    body = {"number": "+254712345678", "message": "Hello", "type": "standard"}
    with psycopg.connect(plain_url(settings.database_url.get_secret_value()), autocommit=True) as database:
        with recorder.recording("submit"):
            assert http.post("/api/v0/sms/send", json=body).status_code == 200
        [message_id] = database.execute("SELECT max(id) FROM messages").fetchone() or [0]
        with recorder.recording("deliver"):
            celery.tasks[DELIVER[Tier.STANDARD]].run([message_id])
            _wait_for(database, message_id, Status.SENT)
        with recorder.recording("receipt"):
            _wait_for(database, message_id, Status.RECEIVED)
    return recorder.steps


def _wait_for(database: "psycopg.Connection[tuple[int]]", message_id: int, status: Status) -> None:
    end = time.monotonic() + _DEADLINE
    while database.execute("SELECT status FROM messages WHERE id = %s", [message_id]).fetchone() != (status,):
        assert time.monotonic() < end, f"the message did not become {status.name}"
        time.sleep(0.01)


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) and not file.startswith(_NOT_THE_ROAD)


def _is_background(frame: FrameType) -> bool:
    """Whether a task that runs beside the messages has made this call."""
    caller: FrameType | None = frame
    while caller is not None:
        if caller.f_code.co_qualname in _BACKGROUND:
            return True
        caller = caller.f_back
    return False


@contextmanager
def _profiled(recorder: Recorder) -> Iterator[None]:
    """Record in this thread and in all that are started in the block."""
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@contextmanager
def _sandbox() -> Iterator[str]:
    """Run a sandbox in a thread; its receipts come when the part before is over."""
    url: Queue[str] = Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        played = SandboxSettings(
            latency_ms=0, receipt_delay_ms=1000, receipt_secret=_SECRET, post_to=["127.0.0.1"]
        )
        async with serving(played) as address:
            url.put(address)
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    try:
        yield url.get(timeout=_DEADLINE)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_DEADLINE)
        loop.close()


def _with_provider(settings: Settings, options: dict[str, object]) -> Settings:
    provider = ProviderSettings(name="sandbox", plugin="http", takes=Traffic.BOTH, options=options)
    return settings.model_copy(update={"jwt_secret": SecretStr("x" * 40), "providers": (provider,)})


async def _application(settings: Settings) -> NewKey:
    async with open_context(settings, name="tour") as ctx:
        account = await accounts.create(ctx, "shop", credits=100, country="KE")
        await accounts.add_sender(ctx, account, "SHOP")
        return await credentials.create(ctx, account, CredentialKind.APP, dialect="emess")


@contextmanager
def _worker(settings: Settings) -> Iterator[Celery]:
    """Open a worker's loop with its tasks; the test calls the tasks as Celery would."""
    celery = celery_app(settings)
    loop: LoopThread[ProcessParts] = LoopThread(
        opener(settings, frozenset({Tier.STANDARD.value}), OwnQueue(celery))
    )
    loop.start()
    add_tasks(celery, lambda: loop)
    try:
        yield celery
    finally:
        loop.stop(_DEADLINE)


@contextmanager
def _client(url: str, app: NewKey) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=_DEADLINE) as http:
        answer = http.post("/api/v0/auth/token", json={"appId": app.name, "secretKey": app.secret})
        http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield http


def main() -> None:
    """Print the road, for whoever writes the tour: `python -m tests.docs.road`."""
    from tempfile import TemporaryDirectory

    from dispatcher.local.embedded.servers import embedded_servers
    from dispatcher.store.migrate import upgrade

    with TemporaryDirectory() as directory, embedded_servers(Path(directory), durable=False) as (url, redis):
        upgrade(url)
        road = travel(Settings(database_url=SecretStr(url), redis_url=SecretStr(redis)))
    for part in PARTS:
        steps = road.always(part)
        files = list(dict.fromkeys(file for file, name in road.messages[0][part] if (file, name) in steps))
        sys.stdout.write(f"{part}: {len(files)} files\n")
        for file in files:
            names = sorted(name for where, name in steps if where == file and "<" not in name)
            sys.stdout.write(f"  {file}: {', '.join(names)}\n")


if __name__ == "__main__":
    main()
