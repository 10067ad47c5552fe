"""Brings the CT of a job from an archive into the storage."""

from __future__ import annotations

import logging
from contextlib import suppress

from app.contract.errors import StorageUnavailable, TooManyStoredBytes
from app.contract.params import JobParams
from app.jobs.attempts import Claim
from app.jobs.ct_reference import CtReference
from app.jobs.settings import Settings
from app.jobs.storage_keys import REFERENCE_PART, ct_key, fetched_prefix, input_key
from workers.attempt_watch import FencedOut
from workers.dicomweb_retrieval import Retrieval
from workers.presence import blob_store, job_store

log = logging.getLogger(__name__)


def bring_ct(claim: Claim) -> None:
    """Fetch the CT of an attempt, store it, and record it in the row.

    Each attempt has a file of its own, so a late one changes nothing that another has recorded. A file that the row
    does not name is removed here, or by the sweeper where the attempt dies.

    Raises
    ------
    InputError, ProcessingError
        The archive does not have the study, does not give it, or it is too large.
    TooManyStoredBytes
        With it the tenant has more than its limits allow.
    StorageUnavailable
        The storage does not answer.
    FencedOut
        The attempt no longer holds the current token.
    """
    blobs, key = blob_store(), ct_key(claim.job_id, claim.token)
    reference = _reference(claim)
    retrieval = Retrieval(reference, JobParams.model_validate(claim.params).series_uid, claim.tenant, Settings())
    ct = retrieval.fetch(lambda: blobs.writer(key))
    log.info("job %s: %d bytes fetched from %s", claim.job_id, ct.size, reference.archive)
    try:
        if not job_store().ct_arrived(claim, ct.size, ct.sha256):
            raise FencedOut
    except (FencedOut, TooManyStoredBytes):
        blobs.delete_tree(fetched_prefix(claim.job_id, claim.token))  # nobody names or counts it
        raise


def _reference(claim: Claim) -> CtReference:
    """Return where the CT is."""
    with suppress(FileNotFoundError):
        return CtReference.model_validate_json(b"".join(blob_store().read(input_key(claim.job_id, REFERENCE_PART))))
    raise StorageUnavailable("The file storage does not have the reference to the CT of the job.")
