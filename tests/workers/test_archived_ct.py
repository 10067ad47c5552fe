"""A late attempt changes no CT that another attempt has recorded, and leaves nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.jobs.attempts import Claim
from app.jobs.backup import files_of
from app.jobs.blobs import BlobStore
from app.jobs.database import open_database
from app.jobs.store import JobStore
from tests.app.harness import new_row
from workers import archived_ct, attempt_files
from workers.attempt_watch import FencedOut

JOB = "a" * 32


def test_a_late_attempt_changes_no_ct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive answers the first attempt after the second has recorded the CT; the order of the files differs."""
    blobs = BlobStore(str(tmp_path / "blobs"))
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite3'}")
    store = JobStore(engine, max_attempts=3, stale_after_s=45, deadline_s=540)
    for module in (archived_ct, attempt_files):
        monkeypatch.setattr(module, "blob_store", lambda: blobs)
    monkeypatch.setattr(archived_ct, "job_store", lambda: store)
    row = new_row(JOB, "a")
    row.ct_archive, row.ct_reference_sha256, row.mask_sha256 = "pacs", row.ct_sha256, None
    store.create(row)
    with blobs.writer(f"jobs/{JOB}/input/reference") as writer:
        writer.write(b'{"archive": "pacs", "study": "1.2", "series": "1.3"}')
        writer.commit()
    second: list[Claim] = []

    class Archive(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files = [b"b", b"a"]
            if not second:
                assert store.release(JOB, first.token)
                second.append(claimed(store))
                attempt_files.fetch_input(second[0], tmp_path)
                files.reverse()
            self.send_response(200)
            self.send_header("Content-Type", "multipart/related; boundary=b")
            self.end_headers()
            self.wfile.write(b"".join(b"--b\r\n\r\n%s\r\n" % file for file in files) + b"--b--")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Archive) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        servers = {"pacs": f"http://127.0.0.1:{http.server_address[1]}"}
        monkeypatch.setenv("VERTEBRA_DICOMWEB_SERVERS", json.dumps(servers))
        monkeypatch.setenv("VERTEBRA_DICOMWEB_SOURCES", '["pacs"]')
        first = claimed(store)
        with pytest.raises(FencedOut):
            archived_ct.bring_ct(first)
        http.shutdown()
    ((key, sha256),) = [file for file in files_of(store.get("a", JOB)) if file[0].endswith("/ct")]
    assert hashlib.sha256(b"".join(blobs.read(key))).hexdigest() == sha256
    assert (tmp_path / "ct").read_bytes() == b"".join(blobs.read(key))
    assert blobs.folders(f"jobs/{JOB}") == [f"fetched-{second[0].token}", "input"]
    assert store.release(JOB, second[0].token)
    third = claimed(store)
    assert not third.ct_is_away
    assert attempt_files.fetch_input(third, tmp_path)[0].read_bytes() == b"".join(blobs.read(key))
    engine.dispose()


def claimed(store: JobStore) -> Claim:
    claim = store.claim(JOB, "worker")
    assert claim is not None
    return claim
