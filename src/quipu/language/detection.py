"""Whether a text is in another language than English, told by its script or by the small words of its sentences."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

ENOUGH = 4000  # characters of a text that are looked at
_WORDS = 12  # fewer words tell nothing
_FEW = 0.08  # share of small words of its language that a text has at least
_DISTINCT = 4  # different ones, at least
_MORE = 2.0  # times as many small words as of English
_WORD = re.compile(r"[^\W\d_]+")
# none of one letter, which are names of variables as well
_SMALL = {
    "English": (
        "the of and to in is that it for was on are as with be at by this have from or had but not they which you were"
    ),
    "German": (
        "der die und das ist den von zu mit sich des auf für nicht ein eine dem im auch als wird werden sind oder "
        "einen zur zum bei hat wurde"
    ),
    "French": (
        "le la les des et est une dans qui que pour du au pas sur plus par avec ce cette sont il elle ne aux ou été "
        "nous vous"
    ),
    "Spanish": (
        "el la los las es en que de del una por con para se no su al lo como más pero sus fue este esta está son"
    ),
    "Italian": (
        "il la le di che un una per non con del della dei delle sono gli nel nella al alla si come più anche da ha "
        "questo"
    ),
    "Portuguese": (
        "os as um uma do da dos das em no na que para com não por se mais como ao foi são seu sua ou pelo pela"
    ),
    "Dutch": (
        "de het een van en is dat op te zijn voor met niet die aan er ook als bij naar worden wordt om maar door "
        "heeft dit deze uit"
    ),
    "Swedish": "och att det som en på är av för med den till inte ett har om de var från vid eller kan ska men så",
    "Danish or Norwegian": (
        "og det at en den til er som på de med for ikke der av af har et var fra om kan skal men eller ved vi blir "
        "bliver"
    ),
    "Finnish": "ja on ei se että oli ovat tai kun mutta myös joka hän ole voi kuin sen niin mukaan sekä",
    "Polish": "na się nie do jest to że przez dla po od oraz za jak ale lub są przy był która który tym",
    "Czech": "se na je že do pro jsou by za jako nebo po od při ale které který byl bylo jeho",
    "Hungarian": "az és hogy nem is egy meg ez van csak de volt vagy mint már ha még el lehet minden ki",
    "Romanian": "și în de la cu pe care nu este din pentru un că mai sunt se au prin sau fost ale cel",
    "Turkish": "ve bir bu için ile de da olarak olan en çok daha gibi kadar sonra ancak veya değil ne her ise",
    "Indonesian": (
        "dan yang di dengan untuk dari pada ini itu adalah tidak dalam akan oleh atau sebagai juga ke karena dapat"
    ),
}
_LANGUAGES = {name: frozenset(words.split()) for name, words in _SMALL.items()}
_SCRIPTS = {
    "CJK": "Chinese or Japanese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean",
    "CYRILLIC": "a language in Cyrillic script", "GREEK": "Greek", "ARABIC": "a language in Arabic script",
    "HEBREW": "Hebrew", "DEVANAGARI": "a language in Devanagari script", "THAI": "Thai", "BENGALI": "Bengali",
    "TAMIL": "Tamil", "GEORGIAN": "Georgian", "ARMENIAN": "Armenian",
}  # fmt: skip


def other_language(text: str) -> str | None:
    """The language of a text that is not English; None where it is, or where that cannot be told.

    Code, tables and lists of names have few small words of any language: for them nothing is said.
    """
    text = text[:ENOUGH]
    letters = [letter for letter in text if letter.isalpha()]
    foreign = [letter for letter in letters if ord(letter) > 0x36F]
    if len(foreign) > len(letters) / 2:
        scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in foreign)
        if scripts["HIRAGANA"] + scripts["KATAKANA"] > len(foreign) / 10:
            return "Japanese"
        return _SCRIPTS.get(scripts.most_common(1)[0][0])
    words = _WORD.findall(text.lower())
    if len(words) < _WORDS:
        return None
    counts = Counter(words)
    found = {name: sum(counts[word] for word in small) for name, small in _LANGUAGES.items()}
    best = max(found, key=lambda name: found[name])
    distinct = sum(word in counts for word in _LANGUAGES[best])
    clear = found[best] >= max(_FEW * len(words), _MORE * found["English"]) and distinct >= _DISTINCT
    return best if clear and best != "English" else None
