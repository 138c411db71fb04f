"""Sending: in a transaction of ours, or as a part of the web backend's."""

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.submission import AcceptedBatch, IdempotencyKey, StoredResponse, Submission
from dispatcher.producer.loop_thread import ProducerThread
from dispatcher.producer.requests import SendRequest, read_batch
from dispatcher.producer.transactions import find_transaction
from dispatcher.service.accounts.reservations import reserve
from dispatcher.service.joined_transaction import JoinedTransaction, find_tables
from dispatcher.service.submissions.submit import prepare, submit, submit_once
from dispatcher.service.submissions.transaction import accept_joined
from dispatcher.service.submissions.validate import ValidatedSubmission
from dispatcher.service.yielding import run_without_loop
from dispatcher.store.joined_connection import TablesLocation


def send(thread: ProducerThread, request: SendRequest) -> AcceptedBatch:
    """Return the accepted batch; it is committed. Raises what `submit_once` does."""
    key = request.idempotency_key()

    async def work() -> AcceptedBatch:
        caller, submission = await _read(thread, request)
        if key is None:
            return await submit(thread.ctx, caller, submission)
        return read_batch(await submit_once(thread.ctx, caller, submission, key))

    return thread.run(work())


def send_joined(thread: ProducerThread, request: SendRequest, connection: object) -> AcceptedBatch:
    """
    Return the accepted batch, which is a part of the connection's transaction.

    What needs other connections is read first, in our loop; then the
    transaction goes on in this thread, which its connection belongs to. Its
    last step, the reservation, is in our loop again.
    """
    key = request.idempotency_key()
    transaction = find_transaction(connection)
    validated, tables = thread.run(_prepared(thread, request, key))
    joined = run_without_loop(
        accept_joined(
            thread.ctx,
            JoinedTransaction(transaction.connection, tables),
            validated,
            reserve=lambda reservation: thread.run(reserve(thread.ctx, reservation)),
        )
    )
    if (wake_at := joined.wake_at) is not None:
        transaction.after_commit(lambda: thread.ctx.lanes.wake(wake_at))
    return read_batch(joined.result) if isinstance(joined.result, StoredResponse) else joined.result


async def _prepared(
    thread: ProducerThread, request: SendRequest, key: IdempotencyKey | None
) -> tuple[ValidatedSubmission, TablesLocation]:
    caller, submission = await _read(thread, request)
    validated = await prepare(thread.ctx, caller, submission, key=key)
    return validated, await find_tables(thread.ctx.database)


async def _read(thread: ProducerThread, request: SendRequest) -> tuple[Caller, Submission]:
    caller = await thread.read_caller()
    return caller, request.submission_of(thread.ctx, caller)
