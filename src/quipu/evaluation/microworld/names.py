"""Names that no checkpoint has seen: syllable models with one sound for each kind of entity, and near-twins.

Every choice goes through :class:`Chooser`, which uses nothing but ``Random.random()``: the one method whose
stream Python promises to keep, so that a seed gives the same bytes on every version.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from quipu.errors import InputError

T = TypeVar("T")


class Chooser:
    """Seeded choices."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"quipu micro-world {seed}")

    def below(self, n: int) -> int:
        """An integer in 0 .. n - 1."""
        return int(self._random.random() * n)

    def between(self, low: int, high: int) -> int:
        """An integer in low .. high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``."""
        return items[self.below(len(items))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of ``items`` in a random order."""
        rest = list(items)
        for i in range(len(rest) - 1, 0, -1):
            j = self.below(i + 1)
            rest[i], rest[j] = rest[j], rest[i]
        return rest


@dataclass(frozen=True, slots=True)
class Sound:
    """How words of one kind sound: onsets, vowels, closings between syllables, endings; 1 or 2 inner syllables."""

    onsets: tuple[str, ...]
    vowels: tuple[str, ...]
    middles: tuple[str, ...]
    endings: tuple[str, ...]


def _sound(onsets: str, vowels: str, middles: str, endings: str) -> Sound:
    return Sound(tuple(onsets.split()), tuple(vowels.split()), tuple(middles.split()), tuple(endings.split()))


SOUNDS = {
    "she": _sound("M Sel Tav Or Il Ven Jor Kas Lir Ev Zan Bri", "a e i o", "l r v n th ss m d", "a ia ine ela ora wen"),
    "he": _sound("Dav Tor Kel Bar Or Fen Had Jas Mor Rul Ves Gar", "e o a u", "d r k m n st l b", "ic an ou en ar ulf"),
    "family": _sound(
        "Tess Brav Quor Hald Wend Ostr Marv Pell Drus Yarr Colv Nand",
        "i o a e u",
        "v m l r ck nd sk t",
        "ick ane ollo ard usk ent ovan ey",
    ),
    "town": _sound(
        "Vel Kor Tarn Ush Brel Mond Hask Orl Pent Zar Lun Grev",
        "a o e i",
        "m v l r n dr st b",
        "holm wick ara mouth stead ona burg fell",
    ),
    "river": _sound("Thr Vey Qu Sarn Oll Ruv Nem Dwi Ilk Cael", "e a i o", "l s n v sh rr m", "en a ine ow is une"),
    "mountain": _sound(
        "Gr Khar Ozd Tul Vord Skar Hum Brak Yel Dorn", "o a u e", "g r d n z k v m", "ath un or ek ulm adh"
    ),
    "company": _sound(
        "Zent Plav Corv Nex Trib Halv Muld Ferr Ops Quil", "i a o e", "r t l v x n d p", "on ex ant is ova eld"
    ),
    "book": _sound(
        "Isk Lam Vor Sel Nuv Ard Mir Thes Ond Pel", "a e i u", "l n r v m sh d th", "or eth andra ine oun ys"
    ),
    "battle": _sound(
        "Crag Dun Hev Stor Wull Brac Eck Nor Tham Lod", "a e o i", "r m l n d v g st", "ley mer ock ing wold ern"
    ),
    "species": _sound(
        "Sir Pav Tol Ruk Mell Quib Fosk Wim Dap Yul", "i o a u", "l r t n p b k v", "ine ock ette umi ary el"
    ),
    "instrument": _sound("t v l c br m s d z p", "a o i e u", "l r v n d m z t", "olin ara une ello ira onde"),
    "ship": _sound(
        "Al Cor Est Mar Sol Vig Hes Tri Aur Nav", "a e i o", "v l r n d t m s", "ante ion ora ess ique ador"
    ),
    "language": _sound("Ved Hul Sor Mak Ost Tir Yam Pol", "a o i", "r l m n v d", "ish ese ani ian"),
}
# Words of the templates and of everyday English that a syllable model might hit.
_TAKEN = {"Marion", "Morine", "Marine", "Salon", "Melody", "Tavern", "Solemn", "Marvel", "Halves", "Estimate", "Kelar"}


def word(chooser: Chooser, kind: str) -> str:
    """One invented word in the sound of ``kind``."""
    sound = SOUNDS[kind]
    text = chooser.pick(sound.onsets)
    for _ in range(1 if chooser.chance(0.85) else 2):
        text += chooser.pick(sound.vowels) + chooser.pick(sound.middles)
    return text + chooser.pick(sound.endings)


def twin_word(chooser: Chooser, text: str) -> str:
    """``text`` with one inner vowel exchanged: a near-twin."""
    places = [i for i, letter in enumerate(text) if letter in "aeiou" and i > 1]
    place = chooser.pick(places)
    others = [vowel for vowel in "aeiou" if vowel != text[place]]
    return text[:place] + chooser.pick(others) + text[place + 1 :]


class NameMaker:
    """Hands out names, each only once; ``twin`` gives one that differs from an earlier name by a letter or a word."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._used: set[str] = {name.lower() for name in _TAKEN}

    def word(self, kind: str) -> str:
        """A new word in the sound of ``kind``."""
        return self._new(lambda: word(self._chooser, kind))

    def twin(self, text: str) -> str:
        """A new word one vowel away from ``text``."""
        return self._new(lambda: twin_word(self._chooser, text))

    def _new(self, make: Callable[[], str]) -> str:
        for _ in range(10_000):
            text = make()
            if text.lower() not in self._used:
                self._used.add(text.lower())
                return text
        raise InputError("the syllable models have run out of new names; ask for fewer documents")
