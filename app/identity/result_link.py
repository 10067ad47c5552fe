"""Signed links to one result file, for programs that cannot send a header.

The signature covers the job, the file, the end of the link and the key that asked for it; so the link opens nothing
else, and ends with its key and with its job.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.identity.principal import Principal
from app.identity.signing import Signer

PURPOSE = "result"


@dataclass(frozen=True)
class ResultLink:
    """What a link opens, and until when.

    Parameters
    ----------
    job_id, name
        The file.
    expires
        When the link ends, whole seconds since the epoch.
    key_id
        Public id of the API key that asked for the link; empty if it was no key of the database.
    """

    job_id: str
    name: str
    expires: int
    key_id: str

    def query(self, signer: Signer) -> dict[str, str]:
        """Return the query of the signed URL."""
        secret_id, signature = signer.sign(PURPOSE, *self._parts())
        return {"expires": str(self.expires), "key": self.key_id, "secret": secret_id, "signature": signature}

    def is_signed(self, signer: Signer, secret_id: str, signature: str) -> bool:
        """Return whether this service signed this very link, with a secret that still counts."""
        return signer.verifies(secret_id, signature, PURPOSE, *self._parts())

    def _parts(self) -> tuple[str, ...]:
        return self.job_id, self.name, str(self.expires), self.key_id


def key_id_of_principal(principal: Principal) -> str:
    """Return the id of the principal's key in the database, or an empty text."""
    kind, _, name = principal.credential.partition(":")
    return name if kind == "key" else ""
