"""A gateway that starts while storage and database are away: it answers, says what is missing, and works when they are
back. Nobody has to start it again.
"""

from __future__ import annotations

from pathlib import Path

import httpx
from sqlalchemy.engine import make_url

from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, post, running_gateway, wait_for
from tests.app.postgres_server import ready_database
from tests.faults.links import HOST, running_network


def test_a_gateway_starts_without_storage_and_database(broker: Broker, postgres_url: str, tmp_path: Path) -> None:
    database = make_url(ready_database(postgres_url))
    folder = tmp_path / "files"
    folder.touch()  # no folder can be made here
    with running_network() as network:
        link = network.link(Path(str(database.query["host"])) / ".s.PGSQL.5432")
        network.cut(link, refuses=True)
        far = database.set(host=HOST, port=link.port, query={"sslmode": "disable"})
        settings = Settings(
            data_dir=tmp_path / "data",
            broker_url=broker.url,
            database_url=far.render_as_string(hide_password=False),
            storage_url=str(folder),
            api_keys=KEYS,
        )
        headers = {"X-API-Key": "key-a"}
        with (
            running_gateway(settings) as url,
            httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as client,
        ):
            assert client.get("/health/live").status_code == 200
            missing = check_problem(client.get("/health/ready"), 503, "not_ready")["components"]
            assert (missing["storage"]["ok"], missing["database"]["ok"], missing["broker"]["ok"]) == (
                False,
                False,
                True,
            )
            check_problem(client.get("/v1/jobs"), 503, "storage_unavailable")
            network.mend(link)
            wait_for(lambda: client.get("/v1/jobs").status_code == 200, "the database is used")
            check_problem(post(client), 503, "storage_unavailable")
            folder.unlink()

            def is_stored() -> bool:
                return post(client).status_code == 202

            wait_for(is_stored, "the storage is used")
            there = client.get("/health/ready").json()["components"]
            assert (there["storage"]["ok"], there["database"]["ok"]) == (True, True)
            assert (folder.stat().st_mode & 0o777, (folder / "jobs").stat().st_mode & 0o777) == (0o700, 0o700)
