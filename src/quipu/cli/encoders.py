"""``quipu eval`` of encoders: the tasks of the QuIP paper, beside any other encoder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import log, print_json, show, show_text
from quipu.cli.train import training
from quipu.errors import InputError

SHIPPED = "quipu-small/quip"
Model = Annotated[
    str, typer.Option(metavar="M", help="An encoder: one that ships, a model folder, or a Hugging Face folder.")
]
Against = Annotated[
    list[str] | None,
    typer.Option(metavar="BASE", help="Another encoder beside it; may be given again. random:M is M with new weights."),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="The official file, or the folder that holds it.", envvar="QUIPU_DATA"),
]
Seeds = Annotated[int, typer.Option(min=1, metavar="N", help="How many seeds or splits.")]
Predictions = Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was predicted.")]


def squad(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    predictions: Predictions = None,
    as_json: AsJson = False,
) -> None:
    """Extractive answers on a SQuAD 1.1 or 2.0 file: EM and F1 by the official formula."""
    from quipu.datasets.io import need
    from quipu.evaluation.tasks import spans

    path = need(_data(data, "squad"), ("dev-v1.1.json", "dev-v2.0.json", "dev*.json", "*.json"), "SQuAD file")
    reports = []
    for at, name in enumerate([model, *(against or [])]):
        reports.append(spans.squad(_load(name), path, predictions=predictions if at == 0 else None, progress=log()))
    _show(reports, as_json, ("exact_match", "f1", "answerable_exact_match", "answerable_f1", "refused", "questions/s"))


def mrqa(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    predictions: Predictions = None,
    as_json: AsJson = False,
) -> None:
    """Extractive answers on every MRQA file of a folder."""
    from quipu.evaluation.report import Report
    from quipu.evaluation.tasks import spans

    reports, by_set = [], []
    for at, name in enumerate([model, *(against or [])]):
        found = spans.mrqa(
            _load(name), _data(data, "mrqa"), predictions=predictions if at == 0 else None, progress=log()
        )
        by_set += [Report(r.task, f"{r.system}: {r.task}", r.scores) for r in found[:-1]]
        sets = {r.task: {score.metric: score.value for score in r.scores} for r in found[:-1]}
        reports.append(Report("mrqa", found[-1].system, found[-1].scores, {"sets": sets}))
    _show([*by_set, *reports] if not as_json else reports, as_json, ("exact_match", "f1"))


def paraphrase(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    predictions: Predictions = None,
    as_json: AsJson = False,
) -> None:
    """Zero-shot paraphrase by token vectors, every layer: AUROC (QQP, MRPC, PAWS files)."""
    from quipu.evaluation.tasks import paraphrase as task

    path, reports = _data(data, "mrpc"), []
    for at, name in enumerate([model, *(against or [])]):
        report, values = task.zero_shot(_load(name), path, log())
        reports.append(report)
        if predictions is not None and at == 0:
            predictions.write_text("".join(f"{value:.6f}\n" for value in values[:, -1]), encoding="utf-8")
    layers = [score.metric for score in reports[0].scores if score.metric.startswith("layer ")]
    columns = ("auroc", "best_layer_auroc", "best_layer", "average_precision", "best_accuracy", "best_f1")
    _show(reports, as_json, columns, layers)


def paraphrase_few_shot(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    seeds: Seeds = 5,
    tuned: Annotated[bool, typer.Option("--tuned/--frozen", help="Fine-tune too, or only the frozen encoder.")] = True,
    as_json: AsJson = False,
) -> None:
    """Paraphrase from 16 examples a class: frozen encoder and fine-tuned, mean over seeds."""
    from quipu.evaluation.tasks import paraphrase as task

    path, reports = _data(data, "mrpc"), []
    for name in [model, *(against or [])]:
        with _folder(name) as folder:
            tune = _tuner(folder) if tuned else None
            reports.append(task.few_shot(_load(name), path, task.seeds_of(seeds), tune=tune))
    columns = ("f1", "accuracy", "auroc", *(("tuned_f1", "tuned_accuracy", "tuned_auroc") if tuned else ()))
    _show(reports, as_json, columns)


def ner_few_shot(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    seeds: Seeds = 5,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Passes over the few sentences.")] = 200,
    rate: Annotated[float, typer.Option(metavar="R", help="Learning rate.")] = 2e-5,
    predictions: Predictions = None,
    as_json: AsJson = False,
) -> None:
    """Named entities from 5 mentions a type: question heads against random heads, mean over splits."""
    from quipu.evaluation.tasks import ner as task

    path, reports = _data(data, "wnut17"), []
    for at, name in enumerate([model, *(against or [])]):
        with _folder(name) as folder:
            said = predictions if at == 0 else None
            tagger = _tagger(folder, epochs, rate)
            reports.append(task.evaluate(name, tagger, path, range(seeds), predictions=said, progress=log()))
    _show(reports, as_json, ("f1", "random_f1", "precision", "recall"))


def sentiment(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    subject: Annotated[str, typer.Option(metavar="WORD", help="What the texts are about: movie, product.")] = "movie",
    rationales: Annotated[int, typer.Option(min=0, metavar="N", help="Texts shown with the words that say why.")] = 0,
    predictions: Predictions = None,
    as_json: AsJson = False,
) -> None:
    """Zero-shot sentiment by the questions why something is good and why it is bad, six pairs of them."""
    from quipu.evaluation.tasks import sentiment as task

    path, reports, shown = _data(data, "sst2"), [], []
    for at, name in enumerate([model, *(against or [])]):
        encoder = _load(name)
        report, values = task.evaluate(encoder, path, subject=subject, progress=log())
        reports.append(report)
        if at == 0:
            shown = task.rationales(encoder, path, values, count=rationales, subject=subject) if rationales else []
            if predictions is not None:
                rows = (f"{int(row[task.HEADLINE] > 0)}\t{row[task.HEADLINE]:.5f}\n" for row in values)
                predictions.write_text("".join(rows), encoding="utf-8")
    words = {True: "positive", False: "negative"}
    if not as_json:
        for item in shown:
            show(f"{words[item.said]} ({words[item.positive]}): [{item.span}] {item.text}")
    pairs = [f"pair {at + 1}" for at in range(len(task.PROMPTS))]
    extra = {"rationales": [[item.text, words[item.said], item.span] for item in shown]} if shown else {}
    _show(reports, as_json, ("accuracy", "uncalibrated_accuracy", "auroc", "majority"), pairs, **extra)


def probe(
    model: Model = SHIPPED,
    against: Against = None,
    data: Data = None,
    seeds: Seeds = 5,
    task: Annotated[
        list[str] | None, typer.Option("--set", metavar="SET", help="Only this set; may be repeated.")
    ] = None,
    every_layer: Annotated[bool, typer.Option("--every-layer", help="All layers, not the last alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Linear probes of the frozen encoder: SUBJ, TREC, SST-2, MR, MRPC."""
    from quipu.evaluation.tasks import probe as tasks
    from quipu.evaluation.tasks.paraphrase import seeds_of

    path, sets = _data(data, ""), tuple(task or tasks.SETS)
    layers: Any = "all" if every_layer else "last"
    reports = [
        tasks.evaluate(_load(name), path, seeds_of(seeds), sets=sets, layers=layers, progress=log())
        for name in [model, *(against or [])]
    ]
    more = [score.metric for score in reports[0].scores if " layer " in score.metric]
    _show(reports, as_json, ("accuracy", "shuffled accuracy", *sets, *(f"{kind} first" for kind in sets)), more)


def _load(name: str) -> Any:
    """An encoder, or a reader: what ships and exported folders by ONNX Runtime, the rest by torch."""
    from quipu.models.folders import kind_of

    try:
        kind = kind_of(name)
    except InputError:
        return training("quip.states").TorchEncoder(name)
    if kind == "reader":
        from quipu.models.reader import Reader

        return Reader.from_pretrained(name)
    from quipu.models.encoder import Encoder

    return Encoder.from_pretrained(name)


@contextlib.contextmanager
def _folder(name: str) -> Iterator[str]:
    """A Hugging Face folder of the encoder, for as long as it is needed."""
    import tempfile

    from quipu.models.folders import kind_of

    try:
        kind_of(name)
    except InputError:
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="quipu-") as scratch:
        yield str(training("quip.unpack").unpack(name, Path(scratch)))


def _tuner(folder: str) -> Any:
    return lambda train, test, seed: training("quip.fewshot").tune(folder, train, test, seed)


def _tagger(folder: str, epochs: int, rate: float) -> Any:
    return lambda train, test, heads, seed: training("quip.tagger").tag(
        folder, train, test, heads, seed, epochs=epochs, rate=rate
    )


def _data(data: Path | None, kind: str) -> Path:
    """The path given; in a folder that holds a folder for each set, the one of this task."""
    if data is None:
        raise InputError(f"name the data with --data (or QUIPU_DATA, a folder with {kind or 'one folder a set'})")
    return data / kind if kind and (data / kind).is_dir() else data


def _show(
    reports: Sequence[Any], as_json: bool, metrics: Sequence[str], more: Sequence[str] = (), **extra: Any
) -> None:
    """A table of the figures that matter, a second of the rest; or one object with a key for each metric."""
    from quipu.evaluation.report import table

    if not as_json:
        for columns in (metrics, more):
            if columns:
                show_text(table(reports, columns))
        return
    flat = [
        {
            "task": report.task,
            "model": report.system,
            **{score.metric: score.value for score in report.scores},
            "stderr": {score.metric: score.stderr for score in report.scores if score.stderr is not None},
            "settings": dict(report.settings),
        }
        for report in reports
    ]
    print_json({**flat[0], **extra, **({"against": flat[1:]} if len(flat) > 1 else {})})
