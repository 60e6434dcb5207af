"""Whether a pair that was made for a question that somebody asked is kept: the one place where that is judged.

A question of the log was refused before, so that nothing is known of it but what the reader says. A wrong pair would
answer it wrongly for ever. Its passage must speak of all that it asks for (a reader gives the limit of hotels for that
of meals), it must be read back from there, and lookup must answer with it as surely as the memory asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quipu.answering.accounted import phrases, unaccounted
from quipu.answering.answerer import Answerer
from quipu.building.builder import Builder
from quipu.building.pipeline import Generated
from quipu.building.proposing import knowing
from quipu.models.protocols import Keys, SupportsReadMany
from quipu.models.word_table import WordSimilarity
from quipu.records import Passage, QAPair, Verdict
from quipu.text import normalize_answer, token_f1


def judged(builder: Builder, answerer: Answerer, made: Generated, passage: Passage) -> Generated:
    """What was made of a passage without the pairs that are not good enough, which get a verdict that says why."""
    keys = builder.models.encoder().encode(made.key_texts)
    verdicts = [
        judge(builder, answerer, pair, key, passage) for pair, key in zip(made.pairs, keys, strict=True)
    ]  # fmt: skip
    good = [at for at, verdict in enumerate(verdicts) if verdict.kept]
    bad = [verdict for verdict in verdicts if not verdict.kept]
    return replace(
        made,
        pairs=[made.pairs[at] for at in good],
        key_texts=[made.key_texts[at] for at in good],
        verdicts=[*made.verdicts, *bad],
        verdict_documents=[*made.verdict_documents, *(passage.document_id for _ in bad)],
        verdict_passages=[*made.verdict_passages, *(passage.id for _ in bad)],
    )


def judge(builder: Builder, answerer: Answerer, pair: QAPair, key: Keys, passage: Passage) -> Verdict:
    """What is to become of one pair; ``key``: its own (width,). It need not be stored yet."""
    missing = unaccounted(pair.question, [passage.about(), passage.text], WordSimilarity())
    if missing:
        said = ", ".join(phrases(pair.question, missing))
        return Verdict(pair.id, "global", False, None, "its passage does not speak of all that is asked", said[:200])
    (read,) = _read(builder, [pair.question], passage)
    if not normalize_answer(read) or token_f1(read, pair.answer) < builder.settings.filter_threshold:
        return Verdict(pair.id, "global", False, None, "not read back from its passage", read[:200] or None)
    answer = answerer.holding(pair, key).ask_many([pair.question], method="lookup")[0]
    first = answer.evidence[0].pair if answer.evidence else None
    if answer.text is None or first is None or first.id != pair.id:
        said = answer.text or answer.held or ""
        return Verdict(pair.id, "global", False, answer.probability, "lookup would not answer with it", said[:200])
    return Verdict(pair.id, "global", True, answer.probability, "kept")


def _read(builder: Builder, questions: Sequence[str], passage: Passage) -> list[str]:
    """What the reader answers to questions over the passage, "" where nothing; a language model is told its title."""
    reader = knowing(builder.reader(), [passage])
    if isinstance(reader, SupportsReadMany):
        (readings,) = reader.read_many([passage.text], [questions], titles=[passage.about()])
    else:
        readings = reader.read(questions, [passage.text] * len(questions))
    return [reading.text if reading.score > 0 else "" for reading in readings]
