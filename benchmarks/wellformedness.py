"""Well-formedness of a memory's generated questions against people's questions of SQuAD's development half.

    python benchmarks/wellformedness.py MEMORY --squad FILE --classifier FOLDER [--out FILE]

FOLDER is what ``quipu train recipes/mini/wellformed.toml`` leaves (its onnx folder). Both sets are lower-cased, since
the classifier's training data is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import stored_pairs
from quipu.evaluation import report
from quipu.evaluation.tasks.open_domain import read_examples
from quipu.evaluation.wellformed import WellFormedness, compare
from quipu.memory.store import Store


def main() -> None:
    """Judge both sets and print the table, the classifier's own accuracy first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory", type=Path)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    judge = WellFormedness(options.classifier)
    with Store.open(options.memory, read_only=True) as store:
        generated = [pair.question for pair in stored_pairs(store) if pair.origin == "generated"]
    people = [example.question for example in read_examples(options.squad)]
    reports = compare(judge, {"generated questions": generated, "people's questions": people})
    print(report.command())
    print(report.figures("the classifier on its dev part", judge.card["dev"]), "\n")
    print(report.table(reports, ("mean", "share >= 0.5", "share >= 0.8")))
    if options.out is not None:
        report.save(options.out, reports, judge.card["dev"])


if __name__ == "__main__":
    main()
