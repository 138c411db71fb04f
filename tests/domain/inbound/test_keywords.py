"""Keywords: only a whole text is one, in any spelling."""

import unicodedata

import pytest

from dispatcher.domain.inbound.keywords import DEFAULTS, KeywordAction, Keywords

DEFAULT = Keywords.of({})


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("STOP", KeywordAction.STOP),
        ("stop", KeywordAction.STOP),
        ("  Stop\r\n", KeywordAction.STOP),
        ("Stop.", KeywordAction.STOP),
        ("STOP!!!", KeywordAction.STOP),
        ("«stop»", KeywordAction.STOP),
        ("stop 🙏", KeywordAction.STOP),
        ("STOP?", KeywordAction.STOP),
        ("\u200bSTOP\ufeff", KeywordAction.STOP),
        ("stop\N{NO-BREAK SPACE}all", KeywordAction.STOP),
        ("Opt-out", KeywordAction.STOP),
        ("Arrêt", KeywordAction.STOP),
        ("arret", KeywordAction.STOP),
        ("ＳＴＯＰ", KeywordAction.STOP),
        ("START", KeywordAction.START),
        ("unstop", KeywordAction.START),
        ("Help", KeywordAction.HELP),
        ("ayuda", KeywordAction.HELP),
        ("СТОП", KeywordAction.STOP),
        ("стоп", KeywordAction.STOP),
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
def test_a_text_is_a_keyword_only_if_it_contains_nothing_else(
    text: str, action: KeywordAction | None
) -> None:
    assert DEFAULT.action(text) is action


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_an_accent_is_the_same_however_it_is_composed(form: str) -> None:
    assert DEFAULT.action(unicodedata.normalize(form, "arrêt")) is KeywordAction.STOP  # type: ignore[arg-type]


def test_case_is_folded_beyond_ascii() -> None:
    words = Keywords({KeywordAction.STOP: ["Straße", "ΤΕΛΟΣ"]})
    assert words.action("STRASSE") is KeywordAction.STOP
    assert words.action("τελος") is KeywordAction.STOP


def test_marks_that_belong_to_letters_are_not_trimmed() -> None:
    assert Keywords({KeywordAction.STOP: ["बंद करो"]}).action(" बंद करो।") is KeywordAction.STOP


@pytest.mark.parametrize("action", KeywordAction)
def test_each_default_word_asks_for_its_action(action: KeywordAction) -> None:
    assert {DEFAULT.action(word) for word in DEFAULTS[action]} == {action}


def test_custom_words_replace_only_those_of_their_action() -> None:
    words = Keywords.of({KeywordAction.STOP: ["GENUG"]})
    assert words.action("genug") is KeywordAction.STOP
    assert words.action("stop") is None
    assert words.action("start") is KeywordAction.START


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({KeywordAction.STOP: ["!"]}, "'!' is not a word"),
        ({KeywordAction.STOP: ["Go"], KeywordAction.START: ["GO"]}, "'GO' asks for stop and for start"),
        ({KeywordAction.START: ["stop"]}, "'stop' asks for stop and for start"),
    ],
)
def test_an_empty_word_and_a_word_with_two_actions_are_refused(
    words: dict[KeywordAction, list[str]], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Keywords.of(words)
