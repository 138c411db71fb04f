"""The output of `message show` on what an id stands for, and on a batch with several messages."""

from collections.abc import Mapping
from dataclasses import asdict

from dispatcher.cli.console import format_time, own_command, print_json, print_line, print_note, print_table
from dispatcher.cli.status_words import status_label
from dispatcher.domain.messages.status import Status
from dispatcher.service.messages.lookup import IdKind, IdMatch, LookedUp

_OF_MESSAGE = {IdKind.MESSAGE_NUMBER, IdKind.MESSAGE_PUBLIC_ID}


def print_facts(facts: Mapping[str, object]) -> None:
    """Print facts, one on a line, each with its name."""
    for name, value in facts.items():
        print_line(f"{name:<10} {value}")


def print_found_by(found: LookedUp, typed: str) -> None:
    """Print what the id is, unless it is an id of the message itself, and what else has the same id."""
    if found.match.kind not in _OF_MESSAGE:
        only = "" if found.match.message_id is not None else ", whose only message this is"
        print_line(f"{typed} is the {found.match.kind}{only}.\n")
    for other in found.others:
        print_note(f"{typed} is also the {_described(other)}")


def print_batch(found: LookedUp, typed: str, *, as_json: bool) -> None:
    """Print a batch, the counts of its messages, and the first of them."""
    batch, counts = found.batch.batch, found.batch.counts
    if as_json:
        print_json(
            {
                "found_by": found.match.kind,
                "batch": asdict(batch),
                "counts": {status_label(status): count for status, count in counts.items()},
                "messages": [asdict(message) for message in found.messages],
            }
        )
        return
    print_line(f"{typed} is the {found.match.kind}, not of a single message.\n")
    print_facts(
        {
            "batch": f"{batch.id} ({batch.public_id})",
            "account": f"{batch.account}, through {batch.dialect}",
            **({} if batch.external_id is None else {"external": batch.external_id}),
            "tier": batch.tier,
            "accepted": f"{format_time(batch.created_at)} UTC",
            "messages": f"{sum(counts.values()):,}: {_counted(counts)}",
        }
    )
    print_line("")
    rows = [(str(one.id), one.number_as_given, status_label(one.status)) for one in found.messages]
    print_table(("id", "number", "status"), rows, numbers=("id",))
    if len(found.messages) < sum(counts.values()):
        print_note(f"The first {len(found.messages)} of them.")
    if found.messages:
        print_note(f"Show one with: {own_command()} message show {found.messages[0].id}")
    for other in found.others:
        print_note(f"{typed} is also the {_described(other)}")


def _counted(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{count:,} × {status_label(status)}" for status, count in counts.items()) or "none"


def _described(match: IdMatch) -> str:
    if match.kind in {IdKind.MESSAGE_NUMBER, IdKind.BATCH_NUMBER}:
        return str(match.kind)
    if match.message_id is not None:
        return f"{match.kind}: {match.message_id}"
    return f"{match.kind}: {match.batch_id}"
