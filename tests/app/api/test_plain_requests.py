"""Requests that ordinary clients send: forms of browsers, byte-order marks, slashes, HEAD; and their description."""

from __future__ import annotations

import codecs
import json
from typing import Any

import httpx
import jsonschema
import pytest

from app.application import create_app
from app.contract.result_files import MEDIA_TYPES
from app.jobs.settings import Settings
from tests.app.harness import check_problem, finish, post
from tests.app.reports import report


@pytest.mark.parametrize("empty", [("", b"", "application/octet-stream"), (None, b"")], ids=["no file", "no name"])
def test_a_form_in_which_no_mask_was_chosen(client: httpx.Client, empty: tuple[Any, ...]) -> None:
    form = [("ct", ("ct.nii.gz", b"ok")), ("mask", empty), ("callback_url", (None, b"")), ("params", (None, b""))]
    response = client.post("/v1/jobs", files=form)
    assert response.status_code == 202, response.text
    assert response.json()["input"]["mask"] is None
    assert response.json()["callback_url"] is None


def test_a_file_that_is_empty_is_still_a_fault(client: httpx.Client) -> None:
    check_problem(post(client, mask=b""), 400, "empty_upload")
    check_problem(client.post("/v1/jobs", files={"ct": ("", b"")}), 400, "empty_upload")


def test_parameters_with_a_byte_order_mark(client: httpx.Client) -> None:
    text = codecs.BOM_UTF8 + b'{"load_newton": 750}'
    form = {"ct": ("ct.nii.gz", b"ok"), "params": (None, text, "application/json")}
    assert client.post("/v1/jobs", files=form).json()["params"]["load_newton"] == 750.0


def test_a_slash_at_the_end_of_a_path(client: httpx.Client) -> None:
    job = client.post("/v1/jobs/", files={"ct": ("ct.nii.gz", b"ok")}).json()
    assert client.get("/v1/jobs/").json()["jobs"]
    assert client.get(f"/v1/jobs/{job['id']}/").json()["id"] == job["id"]
    check_problem(client.get("/v1/nothing/"), 404, "not_found")


def test_head_answers_as_get_without_a_body(client: httpx.Client, stranger: httpx.Client) -> None:
    job = post(client).json()
    for path in (f"/v1/jobs/{job['id']}", "/v1/jobs", "/v1/jobs/"):
        answer, whole = client.head(path), client.get(path)
        assert answer.status_code == 200
        assert answer.content == b""
        assert answer.headers["content-type"] == whole.headers["content-type"]
    assert stranger.head(f"/v1/jobs/{job['id']}").status_code == 404
    assert client.head(f"/v1/jobs/{job['id']}/events").status_code == 405


def test_results_have_the_media_types_of_the_document(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    finish(settings, job["id"], {name: (b"bytes", kind) for name, kind in MEDIA_TYPES.items()})
    path = "/v1/jobs/{job_id}/results/{name}"
    described = client.get("/openapi.json").json()["paths"][path]["get"]["responses"]["200"]["content"]
    for name in MEDIA_TYPES:
        answer = client.get(f"/v1/jobs/{job['id']}/results/{name}")
        assert answer.headers["content-type"].partition(";")[0] in described, name


def test_the_document_has_the_rules_on_masks_and_cursors(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]["/v1/jobs"]
    form = jsonschema.Draft202012Validator(paths["post"]["requestBody"]["content"]["multipart/form-data"]["schema"])
    seed, label = {"seed_ras_mm": [1.0, 2.0, 3.0]}, {"mask_label": 20}
    for params, mask, good in ((seed, False, True), (seed, True, False), (label, True, True), (label, False, False)):
        instance = {"ct": "", "params": params} | ({"mask": ""} if mask else {})
        assert form.is_valid(instance) == good
        answer = post(client, mask=b"mask" if mask else None, params=params)
        assert answer.status_code == (202 if good else 422)
    (cursor,) = (p["schema"] for p in paths["get"]["parameters"] if p["name"] == "cursor")
    pattern = jsonschema.Draft202012Validator(cursor)
    assert not pattern.is_valid("no cursor!")
    check_problem(client.get("/v1/jobs", params={"cursor": "no cursor!"}), 422, "invalid_parameters")
    post(client)
    page = client.get("/v1/jobs", params={"limit": 1}).json()
    assert pattern.is_valid(page["next_cursor"])
    assert client.get("/v1/jobs", params={"cursor": page["next_cursor"]}).status_code == 200


def test_a_report_follows_the_schema_that_is_published(nobody: httpx.Client) -> None:
    schema = nobody.get("/v1/schemas/report.json").json()
    assert schema["$id"] == "/v1/schemas/report.json"
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = json.loads(report().model_dump_json())
    validator.validate(good)
    assert not validator.is_valid(good | {"vertebra": "C1"})
    assert nobody.get("/v1/schemas/summary.json").json()["title"] == "Summary"
    check_problem(nobody.get("/v1/schemas/stress.vtu"), 422, "invalid_parameters")


def test_no_two_classes_of_a_generated_client_have_one_name() -> None:
    """Generators name an enumeration after its model and field: `Problem.type` becomes `ProblemType`."""
    schemas = create_app(Settings()).openapi()["components"]["schemas"]
    enums = {
        model + field.title().replace("_", "")
        for model, schema in schemas.items()
        for field, value in schema.get("properties", {}).items()
        if "enum" in value
    }
    assert not enums & set(schemas)
