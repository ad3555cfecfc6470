"""Keywords: which counters' words a message contains, all of them found in one pass.

Words and text are compared after NFKC and case folding, anywhere in the text:
Chinese is written without spaces.

Source: RULES 3.
"""

from collections.abc import Mapping
from typing import Final
from unicodedata import normalize

from ahocorasick_rs import AhoCorasick


def fold(text: str) -> str:
    """Make *text* comparable: widths, compatibility forms and case do not count."""
    return normalize("NFKC", normalize("NFKC", text).casefold())


class Matcher:
    """Finds the words of *words* (by counter id) in a text."""

    __slots__ = ("_automaton", "_counters")

    def __init__(self, words: Mapping[int, tuple[str, ...]]) -> None:
        pairs = [(fold(word), counter) for counter, of_counter in words.items() for word in of_counter]
        self._counters = [counter for _, counter in pairs]
        self._automaton = AhoCorasick([word for word, _ in pairs]) if pairs else None

    def match(self, text: str) -> tuple[int, ...]:
        """List the counters one of whose words *text* contains, in order."""
        if self._automaton is None:
            return ()
        found = self._automaton.find_matches_as_indexes(fold(text), overlapping=True)
        return tuple(sorted({self._counters[match[0]] for match in found}))


NO_WORDS: Final = Matcher({})
