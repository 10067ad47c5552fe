"""Where in an archive of the operator a CT is: a study, or a series of it, by a DICOMweb URL that a client sends.

Of the URL only the archive's name and the UIDs are kept. So a worker asks no server but those of the settings, and the
archive's password is in no request of a client. UIDs lead to the patient:
they are in the stored file, in no row or log.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict

from app.contract.errors import ArchiveNotAllowed, InvalidParameters
from app.jobs.settings import Settings

UID = r"[0-9]+(?:\.[0-9]+)+"
LONGEST_UID = 64
"""Characters (PS3.5 section 9)."""
RESOURCE = re.compile(rf"/studies/({UID})(?:/series/({UID}))?/?")
"""PS3.18 table 10.1-2: a study, or a series of it."""
PORTS = {"https": 443, "http": 80}


class CtReference(BaseModel):
    """A study of an archive, or a series of it.

    Attributes
    ----------
    archive
        Name of the DICOMweb server in the settings.
    study, series
        StudyInstanceUID and SeriesInstanceUID; no series means all CT series of the study.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: str
    study: str
    series: str | None = None


def reference_of(text: str, tenant: str, settings: Settings) -> CtReference:
    """Return what a client's URL names: ``{archive}/studies/{uid}`` or ``{archive}/studies/{uid}/series/{uid}``.

    Parameters
    ----------
    text
        The URL. ``{archive}`` is the archive's URL in the settings, without user and password, or its name there.
    tenant
        Whose job it is.
    settings
        They have the archives.

    Raises
    ------
    ArchiveNotAllowed
        It lies in no archive from which the tenant may take a CT.
    InvalidParameters
        It is in such an archive, but no study or series.
    """
    names = settings.dicomweb_sources_of(tenant)
    asked = _split(text)
    roots = {name: urlsplit(settings.dicomweb_servers[name].get_secret_value()) for name in names}
    for name in sorted(names, key=lambda name: -len(roots[name].path)):  # a root may lie below another's
        path = _path_below(asked, name, roots[name])
        if path is not None:
            return CtReference(archive=name, **_uids(path))
    raise ArchiveNotAllowed(
        "`ct_url` should lie in a DICOMweb archive from which the operator lets you take CTs.",
        expected=f"a study in one of {', '.join(names)}" if names else "none: no archive is set up for you",
        got="another address",
    )


def check_archive(name: str, tenant: str, settings: Settings) -> None:
    """Raise `ArchiveNotAllowed` if the tenant may no longer take a CT from an archive."""
    if name not in settings.dicomweb_sources_of(tenant):
        raise ArchiveNotAllowed(
            "The CT of the job lies in a DICOMweb archive from which the operator no longer lets you take CTs.",
            expected=f"one of {', '.join(settings.dicomweb_sources_of(tenant)) or 'none'}",
            got=name,
        )


def _uids(path: str) -> dict[str, str | None]:
    found = RESOURCE.fullmatch(path)
    if found is None or any(len(uid or "") > LONGEST_UID for uid in found.groups()):
        raise InvalidParameters(
            "`ct_url` is no address of a study or a series.",
            expected="{archive}/studies/{uid} or {archive}/studies/{uid}/series/{uid}",
            got="another path",
        )
    return {"study": found[1], "series": found[2]}


def _split(text: str) -> SplitResult:
    """Return the parts of a client's URL, nothing of one that has none or that has more than a study's has."""
    nothing = SplitResult("", "", "", "", "")
    try:
        parts = urlsplit(text)
        has_more = parts.query or parts.fragment or "@" in parts.netloc or _port(parts) == 0
    except ValueError:
        return nothing
    return nothing if has_more else parts


def _path_below(asked: SplitResult, name: str, root: SplitResult) -> str | None:
    """Return the path below the root of an archive; None where the URL does not lie there."""
    if not asked.scheme and not asked.netloc:
        return _rest(asked.path, name)
    same = (asked.scheme, asked.hostname, _port(asked)) == (root.scheme, root.hostname, _port(root))
    return _rest(asked.path, root.path.rstrip("/")) if same else None


def _rest(path: str, start: str) -> str | None:
    return path.removeprefix(start) if path.startswith(f"{start}/") else None


def _port(parts: SplitResult) -> int | None:
    return parts.port if parts.port is not None else PORTS.get(parts.scheme)
