"""A finder that looks for the row of a CT once: it is the same for every level and seed that the CT is asked for."""

from __future__ import annotations

from workers.imaging.steps import Told, nobody
from workers.imaging.volume import Volume
from workers.locate.named_row import NamedRow
from workers.locate.vertebra_finder import VertebraFinder


class RememberedRow(VertebraFinder):
    """Answers as `finder` does, and keeps the row of the last CT.

    Parameters
    ----------
    finder
        Holds the networks.
    """

    def __init__(self, finder: VertebraFinder) -> None:
        super().__init__(finder.locator, finder.row_network, finder.landmarks, finder.segmenter)
        self._last: tuple[Volume, NamedRow] | None = None

    def row(self, ct: Volume, told: Told = nobody) -> NamedRow:
        """Return the bodies of the spine; those of the same volume again without looking."""
        if self._last is None or self._last[0] is not ct:
            self._last = ct, super().row(ct, told)
        return self._last[1]
