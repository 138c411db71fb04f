"""Keywords: the whole text or nothing, however it is written."""

import unicodedata

import pytest

from dispatcher.domain.inbound.keywords import DEFAULTS, Action, Keywords

USUAL = Keywords.of({})


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("STOP", Action.STOP),
        ("stop", Action.STOP),
        ("  Stop\r\n", Action.STOP),
        ("Stop.", Action.STOP),
        ("STOP!!!", Action.STOP),
        ("«stop»", Action.STOP),
        ("stop 🙏", Action.STOP),
        ("STOP?", Action.STOP),
        ("\u200bSTOP\ufeff", Action.STOP),
        ("stop\N{NO-BREAK SPACE}all", Action.STOP),
        ("Opt-out", Action.STOP),
        ("Arrêt", Action.STOP),
        ("arret", Action.STOP),
        ("ＳＴＯＰ", Action.STOP),
        ("START", Action.START),
        ("unstop", Action.START),
        ("Help", Action.HELP),
        ("ayuda", Action.HELP),
        ("СТОП", Action.STOP),
        ("стоп", Action.STOP),
        ("", None),
        ("...", None),
        ("stop please", None),
        ("don't stop", None),
        ("bus stop", None),
        ("STOPPED", None),
        ("ST OP", None),
        ("1STOP", None),
        ("yes", None),
        ("Parâr", None),
        ("STOP" + " " * 100, None),
    ],
)
def test_a_text_is_a_keyword_only_if_it_is_nothing_else(text: str, action: Action | None) -> None:
    assert USUAL.action(text) is action


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_an_accent_is_the_same_however_it_is_composed(form: str) -> None:
    assert USUAL.action(unicodedata.normalize(form, "arrêt")) is Action.STOP  # type: ignore[arg-type]


def test_case_is_folded_beyond_ascii() -> None:
    words = Keywords({Action.STOP: ["Straße", "ΤΕΛΟΣ"]})
    assert words.action("STRASSE") is Action.STOP
    assert words.action("τελος") is Action.STOP


def test_marks_that_belong_to_letters_are_not_trimmed() -> None:
    assert Keywords({Action.STOP: ["बंद करो"]}).action(" बंद करो।") is Action.STOP


@pytest.mark.parametrize("action", Action)
def test_each_default_word_asks_for_what_it_stands_under(action: Action) -> None:
    assert {USUAL.action(word) for word in DEFAULTS[action]} == {action}


def test_words_that_are_given_replace_those_of_their_action_only() -> None:
    words = Keywords.of({Action.STOP: ["GENUG"]})
    assert words.action("genug") is Action.STOP
    assert words.action("stop") is None
    assert words.action("start") is Action.START


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({Action.STOP: ["!"]}, "'!' is no word"),
        ({Action.STOP: ["Go"], Action.START: ["GO"]}, "'GO' asks for stop and for start"),
        ({Action.START: ["stop"]}, "'stop' asks for stop and for start"),
    ],
)
def test_a_word_that_is_none_or_asks_for_two_things_is_refused(
    given: dict[Action, list[str]], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Keywords.of(given)
