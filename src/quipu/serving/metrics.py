"""Counters and histograms for Prometheus. No label holds a text of a user."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from quipu.records import Answer
from quipu.serving.engine import Engine, Ticket
from quipu.serving.served import Served

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which several processes count together; prometheus_client reads it when it is imported."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Those of one server."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # several processes have none either
        self._sampled: list[tuple[Gauge, Callable[[], float]]] = []
        self._counted: list[tuple[Gauge, Callable[[], float]]] = []
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("quipu_requests", "Requests.", ("route", "status"), registry=registry)
        self._request = Histogram(
            "quipu_request_seconds", "From a request's head to its response's end.", ("route",), buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._queue = Histogram(
            "quipu_queue_seconds", "Until a request's first question was taken up.", buckets=_SECONDS, registry=registry
        )
        self._batch = Histogram(
            "quipu_batch_size", "Questions answered together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self._answers = Counter(
            "quipu_answers", "Questions answered or refused.", ("memory", "route", "outcome"), registry=registry
        )
        self._refused = Counter("quipu_refused", "Requests that were refused.", ("reason",), registry=registry)
        self._feedback = Counter(
            "quipu_feedback", "What was said of answers.", ("memory", "verdict"), registry=registry
        )
        self._background = Counter(
            "quipu_background_prompts", "Prompts that programs send for their own ends.", ("memory",), registry=registry
        )
        self._probability = Histogram(
            "quipu_probability", "Of answers that were given.", buckets=[n / 10 for n in range(1, 11)],
            registry=registry,
        )  # fmt: skip

    @property
    def shared(self) -> bool:
        """Whether they are counted together with those of other processes, in files."""
        return SHARED in os.environ

    def observe(self, engine: Engine, memories: Mapping[str, Served]) -> None:
        """Have the gauges read what is so now."""
        size = Gauge("quipu_queue_size", "Questions that wait.", registry=self._registry, multiprocess_mode="livesum")
        ready = Gauge(
            "quipu_ready", "Whether questions are answered.", registry=self._registry, multiprocess_mode="livemin"
        )
        self._sampled = [
            (size, lambda: engine.size),
            (ready, lambda: engine.why_not_ready is None and not engine.draining),
        ]
        pairs = Gauge(
            "quipu_pairs", "Stored pairs.", ("memory",), registry=self._registry, multiprocess_mode="mostrecent"
        )
        self._counted = [(pairs.labels(name), _pairs(served)) for name, served in memories.items()]

    def sample(self) -> None:
        """Set the gauges that others may read."""
        for gauge, value in self._sampled:
            gauge.set(value())

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is a template."""
        self._requests.labels(route, str(status)).inc()
        self._request.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """A request was refused."""
        self._refused.labels(code).inc()

    def batch(self, size: int, begun: Sequence[Ticket]) -> None:
        """A batch was answered; ``begun`` are the requests that waited until then."""
        self._batch.observe(size)
        for ticket in begun:
            self._queue.observe(ticket.queue_ms / 1000)

    def answer(self, memory: str, answer: Answer) -> None:
        """A question was answered, or refused for want of an answer."""
        given = answer.text is not None
        self._answers.labels(memory, answer.route, "answered" if given else "refused").inc()
        if given and answer.probability is not None:
            self._probability.observe(answer.probability)

    def feedback(self, memory: str, verdict: str) -> None:
        """Somebody said that an answer was right, wrong or useless."""
        self._feedback.labels(memory, verdict).inc()

    def background(self, memory: str) -> None:
        """A program sent a prompt for its own ends, which is no question."""
        self._background.labels(memory).inc()

    def text(self) -> bytes:
        """All of them, in Prometheus' format 0.0.4."""
        self.sample()
        for gauge, value in self._counted:
            gauge.set(value())
        if not self.shared:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _pairs(served: Served) -> Callable[[], float]:
    return lambda: served.memory.store.count()
