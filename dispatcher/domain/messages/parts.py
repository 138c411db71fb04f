"""The parts of a long text, which a provider that counts parts takes one by one."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartsTaken:
    """Which parts of a message its provider has. Parts are numbered from 1 to `total`."""

    total: int
    numbers: frozenset[int]

    @classmethod
    def read(cls, bits: str) -> "PartsTaken":
        """Return the parts from their stored form: a digit for each part, 1 if it is taken."""
        return cls(len(bits), frozenset(n for n, bit in enumerate(bits, 1) if bit == "1"))

    @property
    def bits(self) -> str:
        """The form in which the parts are stored."""
        return "".join("1" if n in self.numbers else "0" for n in range(1, self.total + 1))

    @property
    def left(self) -> tuple[int, ...]:
        """The numbers of the parts that are still to be sent, in order."""
        return tuple(n for n in range(1, self.total + 1) if n not in self.numbers)

    @property
    def are_all(self) -> bool:
        """Whether no part is left."""
        return len(self.numbers) >= self.total

    def and_also(self, numbers: Collection[int]) -> "PartsTaken":
        """Return these parts and others that were taken."""
        return PartsTaken(self.total, self.numbers.union(numbers))

    def __str__(self) -> str:
        return f"{len(self.numbers)} of {self.total} parts went out"
