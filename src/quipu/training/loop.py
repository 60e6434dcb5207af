"""One explicit training loop: accumulate, clip, schedule, save, resume; nothing hidden in callbacks.

A run is a folder: ``model.safetensors`` and ``optimizer.safetensors`` at the last save, ``state.json`` with the step,
``metrics.jsonl`` with one line a report. Batches are a function of their number alone, so a run that was killed and
started again sees the same data as one that was not, and writes the same lines.

Under ``accelerate launch`` each process takes its own batches and the gradients are averaged, so a step sees
``accumulate`` times as many batches as there are processes. The first process saves and reports.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Batch = Any  # what batch_at gives and loss_of takes


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What every run has in common."""

    steps: int
    learning_rate: float = 1e-4
    warmup: float = 0.05  # share of the steps
    weight_decay: float = 0.01
    clip: float = 1.0
    report_every: int = 50
    save_every_seconds: float = 300.0
    encoder_rate: float = 1.0  # factor on the learning rate of parameters under "encoder.", which were pre-trained
    accumulate: int = 1  # batches a step, a process
    minutes: float | None = None  # wall-clock budget; the schedule follows whichever ends first
    seed: int = 13


def fit(
    model: torch.nn.Module,
    batch_at: Callable[[int], Batch],
    loss_of: Callable[[Batch], tuple[torch.Tensor, dict[str, float]]],
    settings: LoopSettings,
    run: Path,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> dict[str, float]:
    """Train ``model`` in place and leave its weights in ``run``; returns the averages of the last report."""
    run.mkdir(parents=True, exist_ok=True)
    parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
    groups: list[dict[str, Any]] = []
    for encoder in (True, False):
        for matrix in (True, False):
            values = [
                value
                for name, value in parameters.items()
                if name.startswith("encoder.") == encoder and (value.ndim >= 2) == matrix
            ]
            factor = settings.encoder_rate if encoder else 1.0
            decay = settings.weight_decay if matrix else 0.0
            if values:
                groups.append({"params": values, "weight_decay": decay, "factor": factor})
    optimizer = torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        eps=1e-6,
        fused=True,
    )
    rank, processes = _place()
    step, spent, sums = _resume(model, optimizer, run)
    began, saved = time.monotonic() - spent, time.monotonic()
    last: dict[str, float] = {}
    model.train()
    while step < settings.steps:
        elapsed = time.monotonic() - began
        progress = step / settings.steps
        if settings.minutes is not None:
            progress = max(progress, elapsed / (60 * settings.minutes))
        if progress >= 1.0:
            break
        rate = settings.learning_rate * min(1.0, progress / max(settings.warmup, 1e-9), (1 - progress) / 0.95)
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * max(rate, settings.learning_rate * 1e-3)
        optimizer.zero_grad(set_to_none=True)
        for part in range(settings.accumulate):
            loss, figures = loss_of(batch_at((step * settings.accumulate + part) * processes + rank))
            if not math.isfinite(loss.item()):
                raise FloatingPointError(f"the loss is {loss.item()} at step {step}; lower the learning rate")
            (loss / settings.accumulate).backward()
            for name, value in {"loss": loss.item(), **figures}.items():
                sums[name] = sums.get(name, 0.0) + value / settings.accumulate
        if processes > 1:
            _average(parameters.values())
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), settings.clip)
        if not math.isfinite(norm.item()):
            raise FloatingPointError(f"the gradient is {norm.item()} at step {step}; lower the learning rate")
        optimizer.step()
        step += 1
        if step % settings.report_every == 0:
            last = {name: value / settings.report_every for name, value in sums.items()}
            sums = {}
            line = {"step": step, "minutes": round((time.monotonic() - began) / 60, 2), **last}
            if not rank:
                with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                report(line)
        if time.monotonic() - saved > settings.save_every_seconds and not rank:
            _save(model, optimizer, run, step, time.monotonic() - began, sums)
            saved = time.monotonic()
    if not rank:
        _save(model, optimizer, run, step, time.monotonic() - began, sums)
    return last


def _place() -> tuple[int, int]:
    """Which process this is and how many there are: one, or those of ``accelerate launch``."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    return state.process_index, state.num_processes


def _average(parameters: Iterable[torch.nn.Parameter]) -> None:
    """The mean gradient of all processes; a parameter without one counts as zero."""
    from accelerate.utils import reduce

    for value in parameters:
        value.grad = reduce(value.grad if value.grad is not None else torch.zeros_like(value), "mean")


def _save(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Path,
    step: int,
    spent: float,
    sums: Mapping[str, float],
) -> None:
    """Weights, then optimizer, then the state that names them: each file appears whole or not at all."""
    moments = {}
    for group, items in enumerate(optimizer.param_groups):
        for index, value in enumerate(items["params"]):
            for name, moment in optimizer.state.get(value, {}).items():
                moments[f"{group}.{index}.{name}"] = moment.detach().clone()
    weights = {name: value.detach().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(weights, run / "model.tmp")
    save_file(moments, run / "optimizer.tmp")
    os.replace(run / "model.tmp", run / "model.safetensors")
    os.replace(run / "optimizer.tmp", run / "optimizer.safetensors")
    (run / "state.tmp").write_text(json.dumps({"step": step, "spent_seconds": spent, "sums": dict(sums)}))
    os.replace(run / "state.tmp", run / "state.json")


def _resume(model: torch.nn.Module, optimizer: torch.optim.Optimizer, run: Path) -> tuple[int, float, dict[str, float]]:
    """Go on where ``run`` was saved: step, seconds spent, sums since the last report; lines beyond it are dropped."""
    metrics = run / "metrics.jsonl"
    state = {"step": 0, "spent_seconds": 0.0}
    if (run / "state.json").exists():
        state = json.loads((run / "state.json").read_text())
    if metrics.exists() and _place()[0] == 0:
        lines = metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= state["step"]]
        metrics.write_text("".join(kept), encoding="utf-8")
    if not state["step"]:
        return 0, 0.0, {}
    model.load_state_dict(load_file(run / "model.safetensors"))
    moments = load_file(run / "optimizer.safetensors")
    for group, items in enumerate(optimizer.param_groups):
        for index, value in enumerate(items["params"]):
            names = ("step", "exp_avg", "exp_avg_sq")
            stored = {
                name: moments[f"{group}.{index}.{name}"] for name in names if f"{group}.{index}.{name}" in moments
            }
            if stored:
                optimizer.state[value] = stored
    return int(state["step"]), float(state["spent_seconds"]), dict(state.get("sums", {}))
