"""The verbs of ``quipu``, each imported when it is called, so that ``--help`` and a question wait for no other."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from quipu.cli.terminal import remark

# Where each verb is, and the first sentence of its docstring.
VERBS = {
    "build": ("build:build", "Make a memory from documents or ready pairs."),
    "ask": ("ask:ask", "Answer questions from a memory, with sources and probabilities."),
    "search": ("ask:search", "Show the stored pairs that are nearest to a question."),
    "add": ("build:add", "Add documents or ready pairs to a memory."),
    "sync": ("sync:sync", "Make a memory hold its files as they are now."),
    "watch": (
        "sync:watch",
        "Keep a memory as its files are: sync when one changes and from time to time, until Ctrl-C.",
    ),
    "documents": ("sync:documents", "List the files that a memory was made of."),
    "remove": ("memory:remove", "Forget a document with all its pairs, or one pair."),
    "info": ("memory:info", "Show what a memory holds: counts, models, size on disk."),
    "why": ("memory:why", "Say where a pair comes from."),
    "conflicts": ("conflicts:conflicts", "List what sources of a memory answer differently."),
    "feedback": ("feedback:feedback", "Mark an answer as right or wrong; a wrong one never returns to its question."),
    "review": ("review:group", "Look at pairs and decide: accept, reject, edit; judge a sample; by a file."),
    "yield": ("memory:yield_", "Show what every passage yielded: pairs made, kept, and dropped by reason."),
    "report": (
        "report:report",
        "Write a page about a memory: coverage, what was dropped, scores, conflicts, and how sure its answers are.",
    ),
    "grow": ("memory:grow", "Make pairs for logged questions that were refused."),
    "calls": (
        "calls:calls",
        "Show what external models were asked for a memory: calls, tokens, cost, failures by role.",
    ),
    "reencode": ("memory:reencode", "Make the keys anew after an update of quipu's encoder."),
    "serve": ("serve:serve", "Answer questions over HTTP: a page and a JSON API with health, metrics and limits."),
    "mcp": ("mcp:mcp", "Offer memories to an assistant as tools, by the Model Context Protocol."),
    "token": ("token:group", "Make, list and revoke the tokens of `quipu serve`."),
    "verify": ("memory:verify", "Check every hash, span, vector and count."),
    "export": ("memory:export", "Write a whole memory into one file."),
    "shard": ("shards:shard", "Cut a memory into several smaller ones, by document."),
    "merge": ("shards:merge", "Put memories together into a new one."),
    "import": ("memory:import_", "Make a memory from an exported file."),
    "calibrate": ("evaluate:calibrate", "Fit how probable an answer is, and when to hold it back."),
    "microworld": ("evaluate:microworld", "Write an invented world with known answers."),
    "train": ("train:train", "Train a model as a recipe says."),
    "datasets": ("datasets:group", "List and fetch the public data sets of recipes and benchmarks."),
    "estimate": ("bench:estimate", "Say what a memory will cost before it is built: time, disk, RAM."),
    "demo": ("demo:demo", "Build the example documents into a memory and ask it questions."),
    "eval": ("evaluations:group", "Measure a memory or an encoder on data with known answers."),
    "bench": ("bench:group", "Measure build, answer and storage here."),
}

# What a former version called a verb: not in the help, understood in this version, and the next forgets it.
FORMER = {"coverage": "yield", "rekey": "reencode"}


class Verbs(TyperGroup):
    """The group of all verbs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": None})
        self.commands = _Commands()  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, none loaded."""
        return list(VERBS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that is meant by ``args``; a former word is taken as today's, with a remark."""
        if args and args[0] in FORMER:
            word = FORMER[args[0]]
            remark(f"`quipu {args[0]}` is called `quipu {word}` now; the next version no longer knows the former word")
            args = [word, *args[1:]]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Their list in the help, none loaded."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


class _Commands(Mapping[str, Any]):
    """Commands by name, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        module, attribute = VERBS[name][0].split(":")
        verb = getattr(importlib.import_module(f"quipu.cli.{module}"), attribute)
        if not isinstance(verb, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name)(verb)
            verb = alone
        return typer.main.get_command(verb)

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)
