"""The files of one attempt in blob storage. Nobody sees them before the UPDATE that publishes them."""

from __future__ import annotations

import logging
from pathlib import Path

from app.contract.errors import StorageUnavailable
from app.jobs.attempts import Claim
from app.jobs.rows import Json
from app.jobs.storage_keys import ct_key, input_key, results_prefix
from workers.archived_ct import bring_ct
from workers.presence import blob_store

log = logging.getLogger(__name__)


def fetch_input(claim: Claim, folder: Path) -> tuple[Path, Path | None]:
    """Download the CT, and the mask where the client sent one, into a folder; return their paths.

    A CT that is still in an archive is first fetched from there into the storage (`workers.archived_ct`). Raise
    `StorageUnavailable` if the storage does not answer, or does not have them.
    """
    if claim.ct_is_away:
        bring_ct(claim)
    ct = ct_key(claim.job_id, claim.token if claim.ct_is_away else claim.ct_token)
    mask = input_key(claim.job_id, "mask")
    return _fetch(ct, folder / "ct"), _fetch(mask, folder / "mask") if claim.has_mask else None


def _fetch(key: str, target: Path) -> Path:
    try:
        blob_store().fetch(key, target)
    except FileNotFoundError as error:
        raise StorageUnavailable(f"The file storage does not have the {target.name} of the job.") from error
    return target


def upload(claim: Claim, path: Path, name: str, media_type: str) -> Json:
    """Store a file under the attempt's token and return its entry in the job's list of results."""
    info = blob_store().put_file(f"{results_prefix(claim.job_id, claim.token)}/{name}", path)
    return {"name": name, "media_type": media_type, "size": info.size, "sha256": info.sha256}


def discard(claim: Claim) -> None:
    """Remove the files that the attempt uploaded. If the storage does not answer, the reconciler removes them later."""
    try:
        blob_store().delete_tree(results_prefix(claim.job_id, claim.token))
    except StorageUnavailable:
        log.warning("job %s: cannot remove the files of attempt %d; the reconciler will", claim.job_id, claim.attempt)
