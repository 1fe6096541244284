"""Amounts of what an agent has and a rank needs, in Mesos' units and precision.

Owns the arithmetic. Knows nothing of offers, roles on the wire, or JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

PortRange = tuple[int, int]
"""First and last port of a range, both included."""


def fixed(amount: float) -> float:
    """Round an amount to the three decimals that Mesos keeps of a scalar.

    Source: mesos.proto, `Value.Scalar`.
    """
    return round(amount, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a number of ranks needs on one agent; `ports` is a count, any will do."""

    cpus: float = 0.0
    mem: float = 0.0  # MB
    disk: float = 0.0  # MB
    gpus: float = 0.0
    ports: int = 0

    def __mul__(self, ranks: int) -> Demand:
        """The demand of `ranks` ranks with this demand each."""
        return Demand(
            cpus=fixed(self.cpus * ranks),
            mem=fixed(self.mem * ranks),
            disk=fixed(self.disk * ranks),
            gpus=fixed(self.gpus * ranks),
            ports=self.ports * ranks,
        )

    def without(self, part: Resources) -> Demand:
        """What is still missing when `part`, which is no more than this, is there."""
        return Demand(
            cpus=fixed(self.cpus - part.cpus),
            mem=fixed(self.mem - part.mem),
            disk=fixed(self.disk - part.disk),
            gpus=fixed(self.gpus - part.gpus),
            ports=self.ports - part.port_count,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What there is: scalars, and port ranges that are sorted and do not touch."""

    cpus: float = 0.0
    mem: float = 0.0  # MB
    disk: float = 0.0  # MB
    gpus: float = 0.0
    ports: tuple[PortRange, ...] = ()

    @property
    def port_count(self) -> int:
        """How many ports the ranges hold."""
        return sum(last - first + 1 for first, last in self.ports)

    @property
    def is_empty(self) -> bool:
        """Nothing of anything."""
        return not (self.cpus or self.mem or self.disk or self.gpus or self.ports)

    def __add__(self, other: Resources) -> Resources:
        """Both together; ranges that overlap or touch become one."""
        return Resources(
            cpus=fixed(self.cpus + other.cpus),
            mem=fixed(self.mem + other.mem),
            disk=fixed(self.disk + other.disk),
            gpus=fixed(self.gpus + other.gpus),
            ports=merge_ranges(self.ports + other.ports),
        )

    def __sub__(self, other: Resources) -> Resources:
        """What is left without `other`; raises ValueError if `other` is not contained."""
        if not self.contains(other):
            raise ValueError(f"{other} is not contained in {self}")
        return Resources(
            cpus=fixed(self.cpus - other.cpus),
            mem=fixed(self.mem - other.mem),
            disk=fixed(self.disk - other.disk),
            gpus=fixed(self.gpus - other.gpus),
            ports=subtract_ranges(self.ports, other.ports),
        )

    def contains(self, other: Resources) -> bool:
        """Whether `other` could be taken out of this."""
        return (
            self.cpus >= other.cpus
            and self.mem >= other.mem
            and self.disk >= other.disk
            and self.gpus >= other.gpus
            and not subtract_ranges(other.ports, self.ports)
        )

    def ranks_that_fit(self, rank: Demand) -> float:
        """How many ranks of this demand fit, as a fraction; infinity for no demand at all."""
        fits = float("inf")
        if rank.cpus:
            fits = self.cpus / rank.cpus
        if rank.mem:
            fits = min(fits, self.mem / rank.mem)
        if rank.disk:
            fits = min(fits, self.disk / rank.disk)
        if rank.gpus:
            fits = min(fits, self.gpus / rank.gpus)
        if rank.ports:
            fits = min(fits, self.port_count / rank.ports)
        # 0.3 / 0.1 is 2.9999999999999996: three ranks of 0.1 do fit into 0.3. Fewer decimals
        # would let a rank of 16384 MB fit into 16383.999.
        return round(fits, 10)

    def at_most(self, demand: Demand) -> Self:
        """As much of the demand as there is here; ports from the lowest upwards."""
        return type(self)(
            cpus=min(self.cpus, demand.cpus),
            mem=min(self.mem, demand.mem),
            disk=min(self.disk, demand.disk),
            gpus=min(self.gpus, demand.gpus),
            ports=lowest_ports(self.ports, demand.ports),
        )


NOTHING = Resources()


def merge_ranges(ranges: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    """Sort ranges and join those that overlap or touch."""
    merged: list[PortRange] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def subtract_ranges(
    ranges: tuple[PortRange, ...], taken: tuple[PortRange, ...]
) -> tuple[PortRange, ...]:
    """What is left of `ranges` without the ports in `taken`."""
    left = list(merge_ranges(ranges))
    for taken_first, taken_last in taken:
        rest: list[PortRange] = []
        for first, last in left:
            if taken_last < first or taken_first > last:
                rest.append((first, last))
                continue
            if first < taken_first:
                rest.append((first, taken_first - 1))
            if last > taken_last:
                rest.append((taken_last + 1, last))
        left = rest
    return tuple(left)


def lowest_ports(ranges: tuple[PortRange, ...], count: int) -> tuple[PortRange, ...]:
    """The lowest `count` ports of the ranges, or all if there are fewer."""
    taken: list[PortRange] = []
    for first, last in ranges:
        if count <= 0:
            break
        last = min(last, first + count - 1)
        taken.append((first, last))
        count -= last - first + 1
    return tuple(taken)
