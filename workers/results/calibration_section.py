"""The report's section on how density follows from HU."""

from __future__ import annotations

from app.contract.bone import InternalFit as InternalSection
from app.contract.bone import TissueReference, UsedCalibration
from workers.bone.attenuation import k2hpo4_slope
from workers.bone.calibration import Calibration
from workers.bone.interior import Trabecular
from workers.bone.internal import InternalFit


def calibration_section(used: Calibration, trabecular: Trabecular) -> UsedCalibration:
    """Return what the report says of a calibration, and of a body's interior by it."""
    assert used.measure in ("k2hpo4", "hydroxyapatite")
    return UsedCalibration(
        kind="internal" if used.internal else "phantom" if used.calibrated else "none",
        slope=used.slope,
        intercept=used.intercept,
        measure=used.measure,
        contrast_agent=used.contrast_agent,
        calibrated=used.calibrated,
        tube_voltage_kv=used.technique.tube_kv,
        expected_energy_kev=used.technique.expected_kev,
        internal=_internal(used.internal, trabecular) if used.internal else None,
    )


def _internal(fit: InternalFit, trabecular: Trabecular) -> InternalSection:
    return InternalSection(
        method=fit.method,
        references={
            tissue: TissueReference(
                hounsfield=found.hounsfield, spread=found.spread, volume_cm3=found.volume_cm3, used=tissue in fit.used
            )
            for tissue, found in fit.references.items()
        },
        effective_energy_kev=fit.effective_kev,
        fit_energy_kev=fit.fit_kev,
        r2=fit.r2,
        water_line_density_mg_cm3=k2hpo4_slope(fit.effective_kev) * trabecular.hounsfield,
    )
