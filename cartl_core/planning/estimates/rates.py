"""How long a stage takes: a first guess by device, corrected by what finished stages have shown.

A measured rate is kept as a factor on the first guess, so that work of one kind and size corrects the guess
for other kinds and sizes on the same machine where these were not measured yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import exp, log, sqrt
from statistics import median
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cartl_core.planning.estimates.costs import Cost, size_class
from cartl_core.planning.estimates.work import EXPORT, HEAD, IMPORT, PUBLISH, START
from cartl_core.spec import Runtime

# WRN-16-2, stem stride 2, 28x28x1: 137 ms for 128 images forth and back to the input (two cores of a
# server CPU, 2 threads, fp32, channels_last), i.e. 128 x 2 passes x 21.1 million multiply-adds.
MEASURED_SECONDS = 0.137
MEASURED_IMAGES = 128
MEASURED_MACS = 21.1e6
MACS_PER_SECOND = {"cpu": MEASURED_IMAGES * 2 * MEASURED_MACS / MEASURED_SECONDS, "cuda": 2e12}
"""The one of a GPU is not measured: a tenth of what data-centre cards of today are said to reach."""
STAGE_SECONDS = 0.1
"""What a stage takes besides: its networks are read, its result is written."""
BATCH_SECONDS = 0.002
"""What a pass of a batch takes besides, however small the network."""
FIXED_SECONDS = {START: 5.0, EXPORT: 10.0, PUBLISH: 3.0, HEAD: 0.2, IMPORT: 0.1}
"""The same for kinds that differ. On the machine above a smoke job took 8.8 s of processor time, nearly all
of it for a process that starts, torch, reading data and a report."""
GUESS_SPREAD = 3.0
"""A first guess is this factor above or below what it turns out to be, in most cases."""
KIN_SPREAD = 1.8
"""So is one that is corrected by stages of other kinds or sizes."""
OUTSIDE = (START, EXPORT, PUBLISH)
"""Kinds that say nothing of how fast stages are, nor these of them."""
FEWEST_SPREAD = 1.15
TENTH, NINE_TENTHS = 0.1, 0.9

Device = Literal["cpu", "cuda"]


class Machine(NamedTuple):
    """What a rate belongs to; ``threads`` are those of a run, of all stages that it computes at a time."""

    device: str
    device_name: str
    threads: int
    precision: str

    @classmethod
    def of(cls, runtime: Runtime) -> Machine:
        """That of a run."""
        threads = runtime.threads * runtime.stages_at_once
        return cls(runtime.device, runtime.device_name, threads, runtime.precision)


class Measurement(NamedTuple):
    """One stage that was computed: ``macs`` multiply-adds, in so many passes of a batch, in ``seconds``."""

    machine: Machine
    kind: str
    size_class: int
    macs: float
    batches: float
    seconds: float


class MeasuredRate(BaseModel):
    """Of one machine, kind of work and size of network: seconds as factors on the first guess."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    device: Device
    device_name: Annotated[str, Field(max_length=200)]
    threads: Annotated[int, Field(ge=1)]
    precision: Annotated[str, Field(max_length=16)]
    kind: Annotated[str, Field(max_length=64)]
    size_class: int
    low: Annotated[float, Field(gt=0)]
    likely: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]
    stages: Annotated[int, Field(ge=1, description="How many it was measured on.")]

    @property
    def machine(self) -> Machine:
        """What it belongs to."""
        return Machine(self.device, self.device_name, self.threads, self.precision)


RATES: TypeAdapter[tuple[MeasuredRate, ...]] = TypeAdapter(tuple[MeasuredRate, ...])


class Span(NamedTuple):
    """Seconds: one in ten takes less than ``low``, one in ten more than ``high``."""

    low: float
    likely: float
    high: float

    def __add__(self, other: object) -> Span:
        """Of two stages that are slow or fast together."""
        if not isinstance(other, Span):
            return NotImplemented
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)


def first_guess(device: str, kind: str, macs: float, batches: float) -> float:
    """Seconds of a stage on a machine of which nothing is known but its device; never 0."""
    fixed = FIXED_SECONDS.get(kind, STAGE_SECONDS)
    return fixed + BATCH_SECONDS * batches + macs / MACS_PER_SECOND.get(device, MACS_PER_SECOND["cpu"])


def summarise(measured: Iterable[Measurement]) -> tuple[MeasuredRate, ...]:
    """The median of every machine, kind and size, and where eight of ten lie; machines in the order given.

    Args:
        measured: the newest first.
    """
    factors: dict[tuple[Machine, str, int], list[float]] = defaultdict(list)
    for one in measured:
        guess = first_guess(one.machine.device, one.kind, one.macs, one.batches)
        factors[one.machine, one.kind, one.size_class].append(one.seconds / guess)
    return tuple(_rate(*key, found) for key, found in factors.items())


def _rate(machine: Machine, kind: str, size: int, factors: Sequence[float]) -> MeasuredRate:
    """With few stages the range is wider than what they have shown."""
    likely = median(factors)
    widened = FEWEST_SPREAD * exp(0.5 / sqrt(len(factors)))
    found = Span(_quantile(factors, TENTH), likely, _quantile(factors, NINE_TENTHS))
    return MeasuredRate(
        **machine._asdict(),
        kind=kind,
        size_class=size,
        low=min(found.low, likely / widened),
        likely=likely,
        high=max(found.high, likely * widened),
        stages=len(factors),
    )


def _quantile(values: Sequence[float], share: float) -> float:
    """Between the two values that are nearest to it."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


class Rates:
    """The rates of one machine; where a kind was not measured there, those of its kin, or the first guess.

    Args:
        device: of the machine.
        measured: on this machine alone.
    """

    def __init__(self, device: str, measured: Iterable[MeasuredRate] = ()) -> None:
        self.device = device
        measured = tuple(measured)
        self.threads = measured[0].threads if measured else 1
        """Of a run; 1 where nothing was measured."""
        self._measured = {(rate.kind, rate.size_class): rate for rate in measured}
        likely = [log(rate.likely) for (kind, _), rate in self._measured.items() if kind not in OUTSIDE]
        self._machine = exp(median(likely)) if likely else None

    @property
    def measured(self) -> bool:
        """Whether any stage was measured on this machine."""
        return bool(self._measured)

    def rate_of(self, kind: str, size: int) -> MeasuredRate | None:
        """What was measured of this very kind and size."""
        return self._measured.get((kind, size))

    def factor(self, kind: str, size: int) -> Span:
        """On the first guess: of this kind and size, of this kind, of this machine, or 1."""
        if (exact := self.rate_of(kind, size)) is not None:
            return Span(exact.low, exact.likely, exact.high)
        kin = [rate for (other, _), rate in self._measured.items() if other == kind]
        if kin:
            near = min(kin, key=lambda rate: (abs(rate.size_class - size), rate.size_class))
            return _around(near.likely, KIN_SPREAD)
        if kind in OUTSIDE or self._machine is None:
            return _around(1.0, GUESS_SPREAD)
        return _around(self._machine, KIN_SPREAD)

    def seconds(self, cost: Cost, macs_of_a_pass: float) -> Span:
        """How long a stage takes.

        Args:
            macs_of_a_pass: multiply-adds of one image's pass through the run's network.
        """
        guess = first_guess(self.device, cost.kind, cost.passes * macs_of_a_pass, cost.batches)
        factor = self.factor(cost.kind, size_class(macs_of_a_pass))
        return Span(*(guess * one for one in factor))


def _around(likely: float, spread: float) -> Span:
    return Span(likely / spread, likely, likely * spread)


def rates_on(machine: Machine, measured: Sequence[MeasuredRate]) -> Rates:
    """Those of a machine, else of another number of threads or precision of it, else of its device."""
    of_device = [rate for rate in measured if rate.device == machine.device]
    for fields in (len(machine), 2, 1):
        found = [rate for rate in of_device if rate.machine[:fields] == machine[:fields]]
        if found:
            return Rates(machine.device, _of_one_machine(found))
    return Rates(machine.device)


def rates_for(asked: Literal["auto", "cpu", "cuda"], measured: Sequence[MeasuredRate]) -> Rates:
    """Those of the machine of the asked device that measured last; ``auto`` takes any.

    Args:
        measured: the machine that measured last first.
    """
    found = [rate for rate in measured if asked in ("auto", rate.device)]
    if not found:
        return Rates("cpu" if asked == "auto" else asked)
    return Rates(found[0].device, _of_one_machine(found))


def _of_one_machine(found: Sequence[MeasuredRate]) -> list[MeasuredRate]:
    return [rate for rate in found if rate.machine == found[0].machine]
