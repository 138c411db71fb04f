"""Keywords that a handset sends to opt out, to opt in again, or to get help."""

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Self

_MAX_LENGTH = 100  # characters; a longer text is never a keyword
_INSIDE = frozenset("LMN")  # letters, marks and digits; everything else separates words


class KeywordAction(StrEnum):
    """What a keyword asks for."""

    STOP = "stop"  # the number opts out
    START = "start"  # the number opts in again
    HELP = "help"  # passed to the account like any other text


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
The English words for STOP are those in the law of the United States (47 CFR 64.1200 (a)(10)) and those that
Twilio accepts (https://www.twilio.com/docs/proxy/opt-out-keywords). YES, which opts in at Twilio, is left out
because it is the answer to many other questions.
"""


class Keywords:
    """The keywords of a deployment. A text is a keyword only if it contains nothing else."""

    def __init__(self, words: Mapping[KeywordAction, Iterable[str]]) -> None:
        """Set the words of each action. Raises ValueError if a word is empty or has two actions."""
        self._actions: dict[str, KeywordAction] = {}
        for action, spellings in words.items():
            for word in spellings:
                plain = _plain(word)
                if not plain:
                    raise ValueError(f"{action}: {word!r} is not a word")
                if self._actions.setdefault(plain, action) is not action:
                    raise ValueError(f"{word!r} asks for {self._actions[plain]} and for {action}")

    @classmethod
    def of(cls, changed: Mapping[KeywordAction, Iterable[str]]) -> Self:
        """Return the default keywords, with those of the actions in `changed` replaced."""
        return cls({**DEFAULTS, **changed})

    def action(self, text: str) -> KeywordAction | None:
        """
        Return what a text asks for; None if it is not a keyword.

        Case, repeated spaces, and characters around the words (spaces,
        punctuation, emoji) do not matter. Accents do: a spelling without them
        is a word of its own in the list.
        """
        if len(text) > _MAX_LENGTH:
            return None
        return self._actions.get(_plain(text))


def _plain(text: str) -> str:
    # Normalized twice, because case folding can undo it (the Unicode Standard, 3.13). NFKC also maps
    # full-width letters to the usual ones.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(map(_inside_or_space, folded)).split())


def _inside_or_space(character: str) -> str:
    return character if unicodedata.category(character)[0] in _INSIDE else " "
