"""The options of an smpp provider: all faults are named at once, without secrets."""

from datetime import timedelta

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.providers.smpp.options import read_options

LEAST = {"host": "smsc.example", "system_id": "us", "password": "a-secret"}


def test_the_required_options_are_few() -> None:
    options = read_options("p", LEAST)
    assert (options.port, options.binds, options.window, options.tls) == (2775, 1, 200, False)


def test_all_faults_are_named_at_once_without_secrets() -> None:
    wrong = {
        **LEAST,
        "password": "a-secret\n",
        "port": 0,
        "system_id": "x" * 16,
        "colour": "red",
        "window": 0,
    }
    with pytest.raises(Misconfigured) as raised:
        read_options("p", wrong)
    assert "a-secret" not in str(raised.value)
    for name in ("password", "port", "system_id", "colour", "window"):
        assert f"{name}: " in str(raised.value)


def test_a_status_is_named_or_numbered() -> None:
    statuses = {"ESME_RSYSERR": "unknown", "0x413": 31, "1044": "deferred"}
    options = read_options("p", {**LEAST, "statuses": statuses})
    assert options.statuses == {8: "unknown", 0x413: Status.BLOCKED, 0x414: "deferred"}


@pytest.mark.parametrize(
    "statuses",
    [{"ESME_NONE": 38}, {"0": 38}, {"ESME_ROK": "deferred"}, {"0x413": 13}, {"0x413": "later"}],
    ids=str,
)
def test_an_invalid_status_or_meaning_is_refused(statuses: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match="statuses"):
        read_options("p", {**LEAST, "statuses": statuses})


def test_words_and_errors_are_read_in_upper_and_lower_case() -> None:
    options = read_options("p", {**LEAST, "words": {"acceptd": 13, "Unknown": None}, "errors": {"034": 33}})
    assert options.words == {"ACCEPTD": Status.RECEIVED, "UNKNOWN": None}
    assert options.errors == {"34": Status.UNREACHABLE}


@pytest.mark.parametrize("words", [{"DELIVRD": 12}, {"DELIVRD": 27}], ids=str)
def test_a_receipt_can_only_have_a_final_status(words: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match="words"):
        read_options("p", {**LEAST, "words": words})


def test_a_certificate_file_needs_tls_and_must_be_there() -> None:
    with pytest.raises(Misconfigured, match="needs tls"):
        read_options("p", {**LEAST, "ca_file": "/nowhere.pem"})
    options = read_options("p", {**LEAST, "tls": True, "ca_file": "/nowhere.pem"})
    with pytest.raises(Misconfigured, match="nowhere"):
        options.tls_context()


def test_durations_are_seconds_or_iso_8601() -> None:
    options = read_options("p", {**LEAST, "enquire_link": 10, "join": "PT5S"})
    assert (options.enquire_link, options.join) == (timedelta(seconds=10), timedelta(seconds=5))
