"""What a question says by its words alone: whether it is one, and whether it can be understood without its passage.

"Who directed it?" and "Where was the film shown?" ask about something that only the reader of the passage knows. No
parser is at hand; the rules here look at pronouns, at descriptions ("the film") that nothing in the question pins down,
and at the names and numbers that do.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass

from quipu.language.english import FUNCTION_WORDS, MONTH, NUMBER_WORDS, word_set
from quipu.text import normalize_answer

_ASKS = word_set("who whom whose what which when where why how")
_AUXILIARY = word_set("is are was were do does did can could will would has have had should may might must am")
_WORD = re.compile(r"\w+(?:[-.,:'’/]\w+)*")  # "7,000,000" and "man-made" are one word
_PRONOUNS = word_set("he she it they him her them his hers its their theirs himself herself itself themselves")
_PERSONAL = word_set("i me my mine myself we us our ours ourselves")
_STANDS_FOR = _PRONOUNS | word_set("this that these those such both former latter")
_POINTING = word_set("this these such")
_ABOUT_TEXT = re.compile(
    r"\b(?:passage|paragraph|excerpt|according to the (?:text|author|article)|(?:in|from) (?:the|this) text|"
    r"the (?:writer|narrator|speaker|above|following))\b",
    re.I,
)
_LINKS = word_set("of that who whom whose which where when in on at for to from with by about between called")
_ORDINAL = word_set("first second third fourth fifth last only same most least main largest smallest world current")
_KINDS = word_set(
    "film films movie book novel story song album game series show episode documentary play poem band "
    "company group team city town village country state person man woman author director site website "
    "article"
)  # a title that says "(1995 film)" does not say which film a question means
_PARTS = word_set(
    "introduction overview summary contents chapter part section page appendix notes manual readme index untitled "
    "document text file faq help home about background conclusion preface references"
)  # what a title may be called without naming anything
_STOPS = FUNCTION_WORDS | _LINKS
_OPENERS = FUNCTION_WORDS | _ASKS | {"regarding", "according", "besides", "along", "how", "until", "within"}
_SPELT = {number: word for number, word in enumerate(NUMBER_WORDS) if number}
_FUSED = word_set("is are was were do does did has have had the of in on at to for who what how and")
_DASHES = re.compile("[–—‐‑−]")
_GENITIVE = re.compile(r"['’]s?(?!\w)")
_DIGIT = re.compile(r"\d")
_MONTHS = MONTH.lower()
_MONTH = re.compile(_MONTHS)
_TIME = re.compile(
    r"\d|century|decade|year|month|week|day|hour|night|morning|evening|spring|summer|autumn|fall|winter|season|"
    rf"{_MONTHS}|"
    r"after|before|during|until|since|when|while|once|age|era|period|war|today|now|early|late|time|always|never|every",
    re.I,
)
_AMOUNT = re.compile(
    r"\d|\b(?:zero|no|none|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|"
    r"millions?|billions?|trillions?|dozens?|half|third|quarter|couple|several|few|many|most|all|both|once|twice|pair|"
    r"single|double|majority|much|little)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """What the words of a question and its answer show; see ``wording``."""

    pronoun: bool  # stands for something that the question does not name
    vague: int  # descriptions such as "the film" that nothing in the question pins down
    names: int
    numbers: int
    content: int  # words that say something
    rare: int  # letters of the longest of them that is no name: long words are seldom everyday ones
    unseen: float  # share of them that stand neither in the passage nor in its title
    mismatch: bool  # "how many" answered without a number, "when" without a time
    name_of: bool  # "the name of": often asked of what has none
    answer_words: int
    answer_name: bool  # the answer begins or ends with a capital and holds no number


ANCHOR = "Regarding"


def words_of(question: str) -> list[str]:
    """Its words in order, with inner marks."""
    return _WORD.findall(question)


def fault(question: str, answer: str) -> str | None:
    """Why this is no question that can stand in a memory, or None: form alone, whatever the passage says."""
    words = [word.lower() for word in words_of(question)]
    if len(words) < 3:
        return "shorter than three words"
    if not any(re.split("['’-]", word)[0] in _ASKS for word in words) and words[0] not in _AUXILIARY:
        return "no question word"
    if any(left == right for left, right in itertools.pairwise(words)) or _repeats(words):
        return "repeats itself"
    if _holds(question, answer):
        return "holds its own answer"
    return None


def understood(question: str) -> bool:
    """Whether a question can be understood alone: nobody speaks in it, nothing stands for what it does not name."""
    words = words_of(question)
    lower = [word.lower() for word in words]
    return not (_PERSONAL & {word for word in lower if word != "us"} or _dangles(lower, _names(words)))


def written_fault(question: str, answer: str, passage: str, sentence: str, title: str = "") -> str | None:
    """What a question that a language model wrote must keep beyond ``fault``: people may ask otherwise.

    sentence: the one in the passage that holds the answer.
    """
    words = [word.lower() for word in words_of(question)]
    if not question.rstrip().endswith("?") or question.count("?") > 1:
        return "no question mark at its end"
    if words[0] in _AUXILIARY and "or" not in words and normalize_answer(answer) not in ("yes", "no"):
        return "asks for yes or no"
    if _ABOUT_TEXT.search(question) or _PERSONAL & {word.lower() for word in words_of(question) if word != "US"}:
        return "speaks of its text or of its writer"
    if not says_something(answer):
        return "its answer says nothing"
    if _unfounded(question, f"{title} {passage}"):
        return "names what its passage does not"
    if _misplaced(question, f"{title} {sentence}"):
        return "names what its answer's sentence does not"
    return None


def wording(question: str, answer: str, passage: str, title: str = "") -> Wording:
    """The features of a question about ``passage`` that the filter weighs."""
    words = words_of(question)
    lower = [word.lower() for word in words]
    named = _names(words)
    known = _stems(f"{title} {passage}")
    content = [at for at, word in enumerate(lower) if word not in FUNCTION_WORDS | _ASKS and len(word) > 2]
    digits = [at for at, word in enumerate(words) if _DIGIT.search(word)]
    said = answer.split()
    return Wording(
        pronoun=_dangles(lower, named),
        vague=_vague(lower, named, _stems(title)),
        names=len(named),
        numbers=len(digits),
        content=len(content),
        rare=max((len(lower[at]) for at in content if at not in named and at not in digits), default=0),
        unseen=sum(_stem(lower[at]) not in known for at in content) / max(1, len(content)),
        mismatch=_mismatch(lower, answer),
        name_of="the name of" in " ".join(lower),
        answer_words=len(said),
        answer_name=bool(said) and not _DIGIT.search(answer) and (said[0][0].isupper() or said[-1][0].isupper()),
    )


def anchored(question: str, title: str, passage: str) -> str:
    """A question that nothing in it pins down, with its document's title in front, where there is a fit one.

    A title in small letters is often a file's name: it is fit where its words stand in the passage.

    "What company published the game?" -> "Regarding Cops 'n' Robbers, what company published the game?"
    """
    words = words_of(question)
    lower = [word.lower() for word in words]
    named = _names(words)
    subject = subject_of(title)
    if subject == subject.lower() and not _stems(subject) <= _stems(passage) | FUNCTION_WORDS:
        return question
    loose = _dangles(lower, named) or _vague(lower, named, set()) > 0
    if not subject or not loose or named or (_stems(subject) - FUNCTION_WORDS) & _stems(question):
        return question
    first = question.split(maxsplit=1)[0]
    rest = question[len(first) :]
    return f"{ANCHOR} {subject}, {first.lower() if first.lower() in FUNCTION_WORDS | _ASKS else first}{rest}"


def subject_of(title: str) -> str:
    """What a title names, without remarks in brackets or of what kind it is; "" where it names nothing."""
    subject = re.sub(r"\s*\([^()]*\)\s*$", "", title.replace("_", " ")).strip()
    subject = re.sub(r"\s*[:–—|-]\s+[a-z][\w ]*$", "", subject).strip(" .,:;!?")
    fit = 0 < len(subject.split()) <= 7 and len(subject) <= 60 and any(letter.isalpha() for letter in subject)
    if not fit or _DIGIT.match(subject) or re.search(r"[/\\]|\.\w+$", subject):
        return ""
    return subject if set(normalize_answer(subject).split()) - FUNCTION_WORDS - _PARTS else ""


def says_something(answer: str) -> bool:
    """Whether an answer has a word beside function words; numbers in words count."""
    return any(word not in FUNCTION_WORDS or _AMOUNT.search(word) for word in normalize_answer(answer).split())


def _repeats(words: list[str]) -> bool:
    """A run of three words that comes twice, or a pair of words twice in a row."""
    runs = [tuple(words[at : at + 3]) for at in range(len(words) - 2)]
    doubled = any(words[at : at + 2] == words[at + 2 : at + 4] for at in range(len(words) - 3))
    return doubled or len(runs) != len(set(runs))


def _holds(question: str, answer: str) -> bool:
    """Whether the answer's words stand in the question in a row; one short common word does not count."""
    inner, outer = (normalize_answer(_GENITIVE.sub("", text)) for text in (answer, question))
    return len(inner) > 2 and f" {inner} " in f" {outer} "


def _names(words: list[str]) -> set[int]:
    """Which words are names; numbers are none."""
    return {at for at, word in enumerate(words) if _is_name(words, at) and not _DIGIT.search(word)}


def _is_name(words: list[str], at: int) -> bool:
    """A capital or a digit. The first word is capital anyway: it is part of a name where the next one is a name too."""
    word = words[at]
    if any(letter.isdigit() for letter in word):
        return True
    if at == 0 and (word.lower() in _OPENERS or len(words) < 2 or not _is_name(words, 1)):
        return False
    return any(letter.isupper() for letter in word) and word != "I"


def _misplaced(question: str, known: str) -> bool:
    """Whether a name stands elsewhere in the passage only, and nothing in the answer's sentence stands for it."""
    if _STANDS_FOR & {word.lower() for word in words_of(known)}:
        return False
    words, there = words_of(question), _stems(_folded(known))
    return any(_stem(_folded(words[at])) not in there for at in _names(words) if not words[at].isupper())


def _unfounded(question: str, known: str) -> bool:
    """A name, a number or a month with its year that is not in ``known``, or two words of it written as one."""
    words = words_of(question)
    text = _folded(known)
    there = set(_WORD.findall(text)) | {part for word in _WORD.findall(text) for part in re.split(r"\W", word)}
    for at, word in enumerate(words):
        low = _folded(word)
        acronym = len(word) > 1 and word.isupper() and word.isalpha()  # the passage may spell it out
        stands = _plain(low) in there if _DIGIT.search(low) else _plain(low) in text
        if _is_name(words, at) and not acronym and not stands and not _roughly(low, there):
            return True
        year = words[at + 1] if _MONTH.fullmatch(low) and at + 1 < len(words) else ""
        if year[:1].isdigit() and not re.search(rf"{low}\W+(?:of\W+)?{re.escape(year)}", text):
            return True
        if low not in there and any(
            low[:cut] in _FUSED and len(low) - cut > 3 and low[cut:] in there for cut in range(2, 6)
        ):
            return True
    return False


def _roughly(word: str, there: set[str]) -> bool:
    """A name's other forms: an adjective or a plural of a word that is there, a number written in words."""
    if _DIGIT.search(word):
        return (len(word) < 3 and word.isdecimal() and _SPELT.get(int(word)) in there) or word.rstrip("s") in {
            item.rstrip("s") for item in there
        }
    return any(item[:4] == word[:4] and abs(len(item) - len(word)) <= 4 for item in there) and len(word) > 4


def _folded(text: str) -> str:
    """Small letters without accents."""
    split = unicodedata.normalize("NFKD", _DASHES.sub("-", text.lower()))
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def _plain(word: str) -> str:
    return _GENITIVE.sub("", word)


def _stem(word: str) -> str:
    """Enough of a word that its forms meet: "opened", "opening" -> "open"."""
    word = _plain(word.lower())
    return word[:4] if len(word) > 4 else word.rstrip("s")


def _stems(text: str) -> set[str]:
    return {_stem(part) for word in _WORD.findall(text) for part in (word, *re.split(r"[-–—/.,']", word)) if part}


def _dangles(lower: list[str], named: set[int]) -> bool:
    """A pronoun before which nothing was named, or a pointing word."""
    for at, word in enumerate(lower):
        if word in _POINTING and lower[at + 1 : at + 2] != ["as"]:
            return True
        if word in _PRONOUNS and not any(place < at for place in named) and not _empty_it(lower, at):
            return True
    return False


def _empty_it(lower: list[str], at: int) -> bool:
    """ "How long does it take to ..." and "they" of people at large stand for nothing that was named."""
    return lower[at] == "it" and lower[at - 1] in ("is", "was", "does", "did") and "to" in lower[at:]


def _vague(lower: list[str], named: set[int], title: set[str]) -> int:
    """Descriptions with "the" that no name, ordinal, title or following "of ..." pins down."""
    count = 0
    for at, word in enumerate(lower):
        if word != "the":
            continue
        run = list(itertools.takewhile(lambda place: lower[place] not in _STOPS, range(at + 1, len(lower))))
        rest = lower[run[-1] + 1 :] if run else lower[at + 1 :]
        if not run or rest[:1] in (["of"], ["that"], ["who"], ["which"]):
            continue
        if any(place in named or lower[place] in _ORDINAL or lower[place].endswith("est") for place in run):
            if lower[at - 2 : at] == ["name", "of"] and not rest:
                count += 1  # "the name of the BBC miniseries": which of them?
            continue
        if rest[:1] and rest[0] in _LINKS and any(place > run[-1] for place in named):
            continue
        if any(_stem(lower[place]) in title and lower[place] not in _KINDS for place in run):
            continue
        count += 1
    return count


def _mismatch(lower: list[str], answer: str) -> bool:
    start = " ".join(lower[:3])
    if "how many" in start:
        return not _AMOUNT.search(answer)
    if start.startswith("when"):
        return not _TIME.search(answer)
    return start.startswith(("what year", "which year", "in what year", "in which year")) and not _DIGIT.search(answer)
