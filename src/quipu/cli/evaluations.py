"""``quipu eval``: the measures of a memory and of an encoder."""

from __future__ import annotations

import typer

from quipu.cli import encoders, evaluate

group = typer.Typer(
    name="eval",
    add_completion=False,
    rich_markup_mode=None,
    help="Measure a memory or an encoder on data with known answers.",
)
group.command("open-domain")(evaluate.open_domain)
group.command("compare")(evaluate.compare)
group.command("twins")(evaluate.twins)
group.command("neighbours")(evaluate.neighbours)
group.command("selective")(evaluate.selective)
for _task in ("squad", "mrqa", "paraphrase", "paraphrase_few_shot", "ner_few_shot", "sentiment", "probe"):
    group.command(_task.replace("_", "-"))(getattr(encoders, _task))
