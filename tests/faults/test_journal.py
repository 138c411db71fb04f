"""What the auditor reads in a journal."""

from pathlib import Path

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from faults.auditor.collect import read_written
from faults.auditor.evidence import Wish, WrittenMessage
from faults.journal import Entry, Journal, read_journal

NUMBER = "+254700000001"
INFINITY = float("inf")


def _written(tmp_path: Path, *entries: tuple[str, Entry]) -> WrittenMessage:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    fields = {"numbers": [NUMBER], "texts": {NUMBER: "Hello"}, "stream": "managed", "tier": "bulk"}
    journal.write("submit", **fields, not_before=5.0, not_after=None, callback="/c", events={12: "sent"})
    for kind, entry in entries:
        journal.write(kind, **entry)
    journal.close()
    [written] = read_written(list(read_journal(path)))
    return written


def _edit(name: str, text: str | None) -> tuple[str, Entry]:
    return "edit", {"number": NUMBER, "edit": name, "text": text}


def test_what_was_asked_is_written_whether_it_was_answered_or_not(tmp_path: Path) -> None:
    written = _written(tmp_path)
    [wish] = written.wishes
    assert wish == Wish(wish.asked_at, None, "Hello", 5.0, INFINITY)
    assert (written.tier, written.is_accepted) == (Tier.BULK, False)
    assert (written.callback, written.events) == ("/c", {Status.SENT: "sent"})


def test_an_answer_of_success_makes_it_accepted(tmp_path: Path) -> None:
    assert _written(tmp_path, ("accepted", {"numbers": [NUMBER]})).is_accepted


def test_an_edit_is_a_wish_from_its_answer_on_and_one_without_an_answer_is_possible(tmp_path: Path) -> None:
    answer = ("edited", {"edit": "a", "changed": True})
    written = _written(tmp_path, _edit("a", "Bye"), answer, _edit("b", None))
    assert [wish.text for wish in written.wishes] == ["Hello", "Bye", None]
    assert [wish.answered_at is not None for wish in written.wishes] == [False, True, False]


def test_an_edit_that_changed_nothing_is_no_wish(tmp_path: Path) -> None:
    refused = ("edited", {"edit": "a", "changed": False})
    assert [w.text for w in _written(tmp_path, _edit("a", None), refused).wishes] == ["Hello"]
