"""Measured figures with their limits, and the table of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

HEADINGS = ("", "ours", "", "yardstick", "", "ratio", "limit", "")
TO_THE_RIGHT = {1, 3, 5}


@dataclass(frozen=True)
class Figure:
    """Samples of the platform and of a yardstick, and a limit.

    Attributes:
        what: What is measured.
        ours: The platform's samples.
        against: The name of the yardstick.
        yardstick: The yardstick's samples.
        unit: The unit of all samples.
        most: The limit.
        of: What the limit applies to: the platform's median, the ratio, or the difference.
    """

    what: str
    ours: Sequence[float]
    against: str = ""
    yardstick: Sequence[float] = ()
    unit: str = "s"
    most: float | None = None
    of: Literal["ours", "ratio", "difference"] = "ours"

    @property
    def ratio(self) -> float:
        """The platform's median, divided by the yardstick's."""
        return median(self.ours) / median(self.yardstick)

    @property
    def limit(self) -> str:
        """The limit in words."""
        if self.most is None:
            return ""
        return f"{self.of} <= {self.most:g} {'' if self.of == 'ratio' else self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        """Whether the figure is within its limit."""
        if self.most is None:
            return ""
        match self.of:
            case "ours":
                value = median(self.ours)
            case "ratio":
                value = self.ratio
            case "difference":
                value = median(self.ours) - median(self.yardstick)
        return "ok" if value <= self.most else "MISSED"


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned text: medians and, in brackets, range and number of samples."""
    rows = [HEADINGS, *map(_cells, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in TO_THE_RIGHT else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cells(figure: Figure) -> tuple[str, ...]:
    ours, spread = _amount(figure.ours, figure.unit)
    yardstick, its_spread, ratio = "", "", ""
    if figure.yardstick:
        yardstick, its_spread = _amount(figure.yardstick, figure.unit)
        yardstick, ratio = f"{figure.against} {yardstick}", f"{figure.ratio:.2f}"
    limit, verdict = figure.limit, figure.verdict
    return (figure.what, ours, spread, yardstick, its_spread, ratio, limit, verdict)


def _amount(samples: Sequence[float], unit: str) -> tuple[str, str]:
    """Return the median and, for several samples, their range and number."""
    digits = 2 if unit == "s" else 0
    lowest, highest = f"{min(samples):.{digits}f}", f"{max(samples):.{digits}f}"
    spread = f"[{lowest}..{highest}, n={len(samples)}]" if len(samples) > 1 else ""
    return f"{median(samples):,.{digits}f} {unit}".rstrip(), spread
