"""Stores the DICOM results of a job in an archive over DICOMweb (STOW-RS, PS3.18 section 10.5)."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path

import httpx

from app.jobs.settings import Settings

log = logging.getLogger(__name__)

DICOM_SUFFIX = ".dcm"
PAUSES_S = (1.0, 4.0)
"""Between the tries; a restart of the archive takes longer, and then the job says so."""
FAILED_SEQUENCE, REASON = "00081198", "00081197"
"""FailedSOPSequence and FailureReason in the answer (PS3.18 table 10.5.3-1)."""
MAX_REASON = 0xFFFF
MAX_ANSWER_BYTES = 1 << 20
"""Of the archive; it says some 200 bytes of each object."""
TIMEOUTS_IN_ALL = 4
"""Longest time of all tries together, in units of `Settings.dicomweb_timeout_s`: three without an answer take less."""
STRANGE = "its answer is not what DICOMweb says"
NOTHING_TO_STORE = "Nothing was stored in {name}: the job has no DICOM results, as its CT did not come as DICOM."
NOT_STORED = "The DICOM results were not stored in {name}: {reason}. They are among the results of the job."


class NotStored(Exception):
    """The archive did not take the objects; the words say why, with nothing of the patient."""


def store_results(name: str | None, files: Sequence[Path], settings: Settings) -> list[str]:
    """Store the DICOM files among the results in the archive of a name; return a warning where that does not happen.

    Parameters
    ----------
    name
        Of the server in the settings; None stores nothing.
    files
        All results.
    settings
        They have the server's URL.
    """
    if name is None:
        return []
    found = [path.read_bytes() for path in files if path.suffix == DICOM_SUFFIX]
    if not found:
        return [NOTHING_TO_STORE.format(name=name)]
    server = settings.dicomweb_servers.get(name)
    if server is None:
        return [NOT_STORED.format(name=name, reason="this worker's settings have no such server")]
    try:
        _store(server.get_secret_value(), found, settings.dicomweb_timeout_s)
    except NotStored as reason:
        log.warning("DICOM results not stored in %s: %s", name, reason)
        return [NOT_STORED.format(name=name, reason=reason)]
    log.info("%d DICOM objects stored in %s", len(found), name)
    return []


def _store(url: str, objects: Sequence[bytes], timeout_s: float) -> None:
    """Send the objects, again after a passing fault. An archive that has them already keeps them once."""
    try:
        asyncio.run(_store_in_time(url, objects, timeout_s))
    except TimeoutError as error:
        raise NotStored("it takes too long") from error


async def _store_in_time(url: str, objects: Sequence[bytes], timeout_s: float) -> None:
    async with asyncio.timeout(TIMEOUTS_IN_ALL * timeout_s), httpx.AsyncClient(timeout=timeout_s) as client:
        for pause_s in (*PAUSES_S, None):
            try:
                return await _send(client, url, objects)
            except httpx.TransportError as error:
                if pause_s is None:
                    raise NotStored(f"it does not answer ({type(error).__name__})") from error
            except httpx.HTTPStatusError as error:
                if pause_s is None or error.response.status_code < 500:
                    raise NotStored(f"it answered {error.response.status_code}") from error
            except (httpx.RequestError, httpx.InvalidURL) as error:  # an answer that cannot be decoded, say
                raise NotStored(STRANGE) from error
            await asyncio.sleep(pause_s)


async def _send(client: httpx.AsyncClient, url: str, objects: Sequence[bytes]) -> None:
    boundary = uuid.uuid4().hex
    part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(part + data + b"\r\n" for data in objects) + f"--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
        "Accept-Encoding": "identity",
    }
    async with client.stream("POST", f"{url.rstrip('/')}/studies", content=body, headers=headers) as answer:
        if answer.is_redirect:
            raise NotStored(f"it answered {answer.status_code}")
        if answer.status_code != 409:  # 409: it refused all of them, and says why as for some
            answer.raise_for_status()
        refused = _refused(await _text(answer), len(objects))
    if refused or answer.status_code == 409:
        raise NotStored(f"it refused {len(refused) or 'all'} of {len(objects)} objects, reason {', '.join(refused)}")


async def _text(answer: httpx.Response) -> bytes:
    text = bytearray()
    async for block in answer.aiter_bytes():
        text += block
        if len(text) > MAX_ANSWER_BYTES:
            raise NotStored(STRANGE)
    return bytes(text)


def _refused(text: bytes, sent: int) -> list[str]:
    """Return the reason for each object that the archive refused, as hexadecimal numbers (PS3.4 table GG.4-2)."""
    try:
        items = json.loads(text or b"{}").get(FAILED_SEQUENCE, {}).get("Value", [])
        reasons = [item.get(REASON, {}).get("Value", [0])[0] for item in items]
        if len(reasons) > sent or not all(0 <= reason <= MAX_REASON for reason in reasons):
            raise ValueError
        return [f"{reason:04X}" for reason in reasons]
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:
        raise NotStored(STRANGE) from error
