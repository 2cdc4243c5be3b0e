"""What Prometheus is told of a server.

Nothing is counted in the path of a call. What calls come to is read from the database at each scrape, so that
a restart forgets nothing and all replicas say the same: take the highest of them, not their sum. The gauges
are of one process. No label names a person, a prompt or a picture.

Format and names: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.values.progress import Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from gpt_image_mcp.values.call_totals import CallTotal
    from gpt_image_mcp.values.readiness import PartState

_PREFIX = "gpt_image_"
_RUNNING = "running"
# Whoever calls may name any model; a series for each would fill the memory of Prometheus.
_OTHER = "other"
_LABELS = ("model", "kind", "outcome", "sandbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is told.

    Attributes:
        totals: What calls come to; None if the database cannot be read.
        parts: Whether what the server needs can be used.
        stages: How many calls of this process stand where.
        people: How many people were active in this process.
        model_names: Names of models besides those of the catalogue that are told apart.
    """

    totals: Sequence[CallTotal] | None
    parts: Sequence[PartState]
    stages: Mapping[Stage, int]
    people: int
    model_names: Collection[str]


def exposition(readings: Readings, accept: str) -> tuple[bytes, str]:
    """The text of a scrape and its media type.

    Args:
        readings: What is told.
        accept: What the scraper understands, as its header says.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector(readings))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Collector(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        """Gives the metrics of one scrape."""
        yield from _of_calls(self._readings)
        yield from _of_parts(self._readings.parts)
        jobs = _gauge("jobs", "Calls of this process that run, by where they stand.", "stage")
        for stage in get_args(Stage):
            jobs.add_metric([stage], self._readings.stages.get(stage, 0))
        yield jobs
        people = _gauge("people_active", "People who asked this process for something within 5 minutes.")
        people.add_metric([], self._readings.people)
        yield people


def _of_calls(readings: Readings) -> Iterator[Metric]:
    """The sums over all calls, of all replicas together."""
    if readings.totals is None:
        return
    sums: dict[tuple[str, ...], list[float]] = {}
    running = 0
    for total in readings.totals:
        if total.status == _RUNNING:
            running += total.count
            continue
        model = _model_label(total.model, readings.model_names)
        key = (model, total.kind, total.status, str(total.sandbox).lower())
        amounts = (total.count, total.seconds, float(total.usd))
        sums[key] = [a + b for a, b in zip(sums.get(key, (0, 0, 0)), amounts, strict=True)]
    counted = (
        ("calls", "Calls that ended."),
        ("call_seconds", "Seconds that calls took from their beginning to their end."),
        ("call_dollars", "US dollars that calls cost; where that is not known, what is reserved for them."),
    )
    for number, (name, said) in enumerate(counted):
        counter = CounterMetricFamily(f"{_PREFIX}{name}", said, labels=_LABELS)
        for labels, summed in sorted(sums.items()):
            counter.add_metric(labels, summed[number])
        yield counter
    gauge = _gauge("calls_running", "Calls that run, of all processes.")
    gauge.add_metric([], running)
    yield gauge


def _model_label(name: str, model_names: Collection[str]) -> str:
    known = load_catalogue().find(name)
    if name in model_names or known is None:
        return name if name in model_names else _OTHER
    return known.name


def _of_parts(parts: Sequence[PartState]) -> Iterator[Metric]:
    usable = _gauge("part_usable", "Whether what the server needs can be used: 1 or 0.", "part")
    seconds = _gauge(
        "part_check_seconds", "How long the last look took; of the database, a round trip.", "part"
    )
    for state in parts:
        usable.add_metric([state.part], state.is_usable)
        if state.seconds is not None:
            seconds.add_metric([state.part], state.seconds)
    yield usable
    yield seconds


def _gauge(name: str, said: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", said, labels=labels)
