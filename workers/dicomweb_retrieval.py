"""Fetches the CT series of a study over DICOMweb (QIDO-RS and WADO-RS, PS3.18 sections 10.6 and 10.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from app.contract.dicom_series import MAX_DICOM_FILES
from app.contract.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    NoCtSeries,
    SeriesAbsent,
    StudyNotFound,
    StudyTooLarge,
)
from app.jobs.blob_writer import BlobInfo, BlobWriter
from app.jobs.ct_reference import CtReference
from app.jobs.dicom_zip import DicomZip
from app.jobs.settings import Settings
from workers.dicom_store import PAUSES_S
from workers.dicomweb_series import QUERY, ArchivedSeries, ct_series, described, read_series
from workers.related_parts import RelatedParts, UnreadableParts

MAX_LIST_BYTES = 4 << 20
"""Of the list of a study's series; it says a kilobyte or two of each."""
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Files as the archive has them: compressed ones are smaller, and it need not decode them."""
NOT_THERE = (204, 404, 410)
NO_CREDENTIAL = (401, 403, 407)
PASSING = (408, 429)


class PassingFault(Exception):
    """Another try may succeed; the words say why this one did not."""


class Retrieval:
    """One retrieval.

    Parameters
    ----------
    reference
        The study, or the series of it.
    asked
        Of a study: id of the series that the client wants (`JobParams.series_uid`); None for all CT series.
    tenant
        Whose job it is.
    settings
        They have the archive's URL with its password, and the limits of size and time.
    """

    def __init__(self, reference: CtReference, asked: str | None, tenant: str, settings: Settings) -> None:
        self._reference, self._asked, self._tenant, self._settings = reference, asked, tenant, settings
        self._end = time.monotonic() + settings.dicomweb_retrieval_s
        self._received = 0
        self._listed: list[ArchivedSeries] = []

    def fetch(self, writer: Callable[[], BlobWriter]) -> BlobInfo:
        """Fetch the files into one zip, which becomes the blob of a new writer; try again after a passing fault.

        Raises
        ------
        StudyNotFound, NoCtSeries, SeriesAbsent, StudyTooLarge, ArchiveRefused, ArchiveUnavailable
        """
        for pause_s in (*PAUSES_S, None):
            try:
                return self._try(writer)
            except (PassingFault, httpx.TransportError) as error:
                reason = str(error) if isinstance(error, PassingFault) else type(error).__name__
                if pause_s is None or time.monotonic() + pause_s > self._end:
                    raise self._unavailable(reason) from None  # what httpx says may quote the address
            except (httpx.RequestError, httpx.InvalidURL):
                raise self._strange() from None
            time.sleep(pause_s)
        raise AssertionError("the last try ends the loop")

    def _try(self, writer: Callable[[], BlobWriter]) -> BlobInfo:
        try:
            return asyncio.run(self._try_in_time(writer))
        except TimeoutError:
            raise self._unavailable(f"it needs more than {self._settings.dicomweb_retrieval_s:g} s") from None

    async def _try_in_time(self, writer: Callable[[], BlobWriter]) -> BlobInfo:
        self._received = 0
        timeout_s = self._settings.dicomweb_timeout_s
        left_s = self._end - time.monotonic()
        async with asyncio.timeout(left_s), httpx.AsyncClient(timeout=timeout_s) as client:
            wanted = [self._reference.series] if self._reference.series else await self._ct_series(client)
            out = DicomZip(writer())
            try:
                parts = RelatedParts(out)
                for series in wanted:
                    await self._fetch_series(client, series, parts)
                if parts.count == 0:
                    raise self._not_found()
                return out.commit()
            except BaseException:
                out.abort()
                raise

    async def _ct_series(self, client: httpx.AsyncClient) -> list[str]:
        """Return the UIDs of the series to fetch: the one that was asked for, or every CT series of the study."""
        text = bytearray()
        async with self._get(client, f"/series{QUERY}", "application/dicom+json") as answer:
            async for block in answer.aiter_raw():
                text += block
                if len(text) > MAX_LIST_BYTES:
                    raise self._strange()
        try:
            self._listed = read_series(bytes(text))
        except ValueError as error:
            raise self._strange() from error
        if self._asked is not None:
            return self._series_asked(self._asked)
        if not self._listed:
            raise self._not_found()
        if not (series := ct_series(self._listed)):
            raise NoCtSeries(
                "The study has no CT series.",
                expected="a CT series",
                got=f"{len(self._listed)} others",
                series=self._described(),
            )
        return [one.uid for one in series]

    def _series_asked(self, asked: str) -> list[str]:
        found = [one.uid for one in self._listed if one.id == asked.partition("-")[0]]
        if not found:
            raise SeriesAbsent(
                "The study has no such series.",
                expected="the id of a series of the study",
                got=asked,
                series=self._described(),
            )
        return found

    async def _fetch_series(self, client: httpx.AsyncClient, uid: str, parts: RelatedParts) -> None:
        limit = self._settings.max_upload_bytes
        async with self._get(client, f"/series/{uid}", AS_STORED) as answer:
            if not parts.begin_answer(answer.headers.get("content-type")):
                raise self._strange()
            try:
                async for block in answer.aiter_raw():
                    self._received += len(block)
                    if self._received > limit or parts.count > MAX_DICOM_FILES:
                        raise self._too_large(limit)
                    parts.feed(block)
                parts.end_answer()
            except UnreadableParts as error:
                raise PassingFault(str(error)) from error

    @asynccontextmanager
    async def _get(self, client: httpx.AsyncClient, path: str, accept: str) -> AsyncIterator[httpx.Response]:
        """Ask for a resource of the study; yield the answer, of which nothing is read. No redirect is followed."""
        root = self._root()
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        async with client.stream("GET", f"{root}/studies/{self._reference.study}{path}", headers=headers) as answer:
            self._check_status(answer.status_code)
            if answer.headers.get("content-encoding", "identity").lower() != "identity":
                raise self._strange()
            yield answer

    def _root(self) -> str:
        name = self._reference.archive
        server = self._settings.dicomweb_servers.get(name)
        if server is None or name not in self._settings.dicomweb_sources_of(self._tenant):
            raise self._refused("this worker's settings do not allow it")
        return server.get_secret_value().rstrip("/")

    def _check_status(self, status: int) -> None:
        if status in NOT_THERE:
            raise self._not_found()
        if status in NO_CREDENTIAL:
            raise self._refused(f"it answered {status} to the credentials of the settings")
        if status >= 500 or status in PASSING:
            raise PassingFault(f"it answered {status}")
        if status != 200:
            raise self._refused(f"it answered {status}")

    def _described(self) -> list[dict[str, object]]:
        return [one.model_dump() for one in described(self._listed)]

    def _strange(self) -> ArchiveRefused:
        return self._refused("its answer is not what DICOMweb says")

    def _refused(self, reason: str) -> ArchiveRefused:
        return ArchiveRefused(
            f"The archive {self._reference.archive} does not give the CT. Tell the operator.",
            expected="the DICOM files of the study",
            got=reason,
        )

    def _unavailable(self, reason: str) -> ArchiveUnavailable:
        return ArchiveUnavailable(
            f"The archive {self._reference.archive} did not give the CT. Run the job again later.",
            expected="the DICOM files of the study",
            got=reason,
        )

    def _not_found(self) -> StudyNotFound:
        return StudyNotFound(
            f"The archive {self._reference.archive} has no such study or series, or no file of it.",
            expected="a study of the archive",
            got="none",
        )

    def _too_large(self, limit: int) -> StudyTooLarge:
        return StudyTooLarge(
            "The CT in the archive is larger than this server accepts. Choose one series with `series_uid`, or by its "
            "address.",
            expected=f"at most {limit} bytes and {MAX_DICOM_FILES} files",
            got="more",
            series=self._described(),
        )
