"""Words that a handset sends to be left alone, to be written to again, or for help."""

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Self

_LONGEST = 100  # characters; a longer text is no keyword, and is not looked at
_INSIDE = frozenset("LMN")  # letters, marks and digits; around a word all else is trimming


class KeywordAction(StrEnum):
    """What a word asks for."""

    STOP = "stop"  # the number opts out
    START = "start"  # and comes back
    HELP = "help"  # told to the account like any other text


DEFAULTS: Final[Mapping[KeywordAction, tuple[str, ...]]] = {
    KeywordAction.STOP: (
        *("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE"),
        *("OPTOUT", "OPT OUT", "ARRET", "ARRÊT", "ANNULER", "ALTO", "BAJA", "PARAR", "SAIR"),
        *("STOPP", "ACHA", "СТОП"),
    ),
    KeywordAction.START: ("START", "UNSTOP", "SUBSCRIBE", "OPTIN", "OPT IN", "ALTA", "ANZA", "СТАРТ"),
    KeywordAction.HELP: ("HELP", "INFO", "AIDE", "AYUDA", "AJUDA", "HILFE", "MSAADA", "ПОМОЩЬ"),
}
"""
The English ones to stop by are those that the law of the United States names (47 CFR 64.1200 (a)(10))
and that Twilio honours (https://www.twilio.com/docs/proxy/opt-out-keywords). YES, which starts again there,
is not among ours: it is the answer to many a question.
"""


class Keywords:
    """The words of a deployment. A text is one only if it is nothing else."""

    def __init__(self, words: Mapping[KeywordAction, Iterable[str]]) -> None:
        """Take the words of each action. Raises ValueError for what is no word, or asks for two things."""
        self._actions: dict[str, KeywordAction] = {}
        for action, given in words.items():
            for word in given:
                plain = _plain(word)
                if not plain:
                    raise ValueError(f"{action}: {word!r} is no word")
                if self._actions.setdefault(plain, action) is not action:
                    raise ValueError(f"{word!r} asks for {self._actions[plain]} and for {action}")

    @classmethod
    def of(cls, changed: Mapping[KeywordAction, Iterable[str]]) -> Self:
        """Take the default words, but those of an action that is named here."""
        return cls({**DEFAULTS, **changed})

    def action(self, text: str) -> KeywordAction | None:
        """
        Tell what a text asks for; None if it is no keyword.

        Case, runs of blanks, and what is around the words (blanks, punctuation,
        emoji) do not matter. Accents do: who leaves them out is a word of its
        own in the list.
        """
        if len(text) > _LONGEST:
            return None
        return self._actions.get(_plain(text))


def _plain(text: str) -> str:
    # Composed twice: what is folded may not be (the Unicode Standard, 3.13). Full-width letters are letters.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(map(_inside_or_blank, folded)).split())


def _inside_or_blank(character: str) -> str:
    return character if unicodedata.category(character)[0] in _INSIDE else " "
