"""How the scanner made a CT, as far as its DICOM headers say, and the effective energy that its tube voltage means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRESUMED_KV = 120.0
"""Tube voltage of a CT that does not say it: the commonest."""
TUBE_KV = np.array([70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0, 140.0, 150.0])
EFFECTIVE_KEV = np.array([52.1, 56.6, 60.5, 63.9, 67.0, 70.0, 72.9, 75.8, 78.6])
"""Energy, keV, at which K2HPO4 in water has the HU that it has with the whole spectrum: of SpekPy 2.5 (Poludniowski et
al., Med Phys 48, 2021), a tungsten anode of 8 degrees, 6 mm of aluminium, behind 28 cm of water, weighted by energy as
detectors do. From 20 to 35 cm and 6 to 10 mm it is 54 to 59 keV at 80 kV, 67 to 74 at 120 kV, 71 to 81 at 140 kV."""
KNOWN_SD_KEV, UNKNOWN_SD_KEV = 4.0, 7.0
"""How far the effective energy of a CT may be from it, by size of the body and filter, with a known tube voltage and
without, which takes in 80 to 140 kV."""


@dataclass(frozen=True)
class Technique:
    """What the headers say of a scan; a NIfTI file says nothing.

    Attributes
    ----------
    tube_kv
        Tube voltage, kV; None where it is not known.
    contrast_agent
        Whether a contrast agent is named that went into the blood.
    sharp_kernel
        Name of the convolution kernel, where it enhances edges.
    """

    tube_kv: float | None = None
    contrast_agent: bool = False
    sharp_kernel: str | None = None

    @property
    def expected_kev(self) -> float:
        """Effective energy that the tube voltage, or `PRESUMED_KV`, lets expect; beyond the table that of its end."""
        return float(np.interp(self.tube_kv or PRESUMED_KV, TUBE_KV, EFFECTIVE_KEV))

    @property
    def spread_kev(self) -> float:
        """Standard deviation of that expectation, keV."""
        return UNKNOWN_SD_KEV if self.tube_kv is None else KNOWN_SD_KEV


UNKNOWN = Technique()
