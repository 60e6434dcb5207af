"""One explicit training loop: accumulate nothing, clip, schedule, save, resume; nothing hidden in callbacks.

A run is a folder: ``model.safetensors`` and ``optimizer.safetensors`` at the last save, ``state.json`` with the step,
``metrics.jsonl`` with one line a report. Batches are a function of the step alone, so a run that was killed and
started again sees the same data as one that was not.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Batch = Mapping[str, torch.Tensor]


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
    step, spent = _resume(model, optimizer, run)
    began, saved = time.monotonic() - spent, time.monotonic()
    sums: dict[str, float] = {}
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
        loss, figures = loss_of(batch_at(step))
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}; lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), settings.clip)
        optimizer.step()
        step += 1
        for name, value in {"loss": loss.item(), **figures}.items():
            sums[name] = sums.get(name, 0.0) + value
        if step % settings.report_every == 0:
            last = {name: value / settings.report_every for name, value in sums.items()}
            sums = {}
            line = {"step": step, "minutes": round((time.monotonic() - began) / 60, 2), **last}
            with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            report(line)
        if time.monotonic() - saved > settings.save_every_seconds:
            _save(model, optimizer, run, step, time.monotonic() - began)
            saved = time.monotonic()
    _save(model, optimizer, run, step, time.monotonic() - began)
    return last


def _save(model: torch.nn.Module, optimizer: torch.optim.Optimizer, run: Path, step: int, spent: float) -> None:
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
    (run / "state.tmp").write_text(json.dumps({"step": step, "spent_seconds": spent}))
    os.replace(run / "state.tmp", run / "state.json")


def _resume(model: torch.nn.Module, optimizer: torch.optim.Optimizer, run: Path) -> tuple[int, float]:
    """Continue where ``run`` stopped: (step, seconds spent so far), (0, 0.0) for a new run."""
    if not (run / "state.json").exists():
        return 0, 0.0
    state = json.loads((run / "state.json").read_text())
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
    return int(state["step"]), float(state["spent_seconds"])
