"""Pages on what a job takes and gives: parameters, result files with their arrays, report."""

from __future__ import annotations

from typing import get_args

from app.contract.errors import all_errors
from app.contract.params import ON_REQUEST, JobParams, ResultName
from app.contract.report import Report
from app.contract.result_files import CONTENTS, MEDIA_TYPES
from app.contract.summary import Summary
from docs.from_code.markdown import code, page, plain, table
from docs.from_code.schemas import fields_table, model_sections, section
from models.template import REGIONS
from workers.results.array_notes import ARRAY_NOTES
from workers.results.vtk_files import ABOUT


def parameters_page() -> str:
    """Return the page of the parameters of a job."""
    schema = JobParams.model_json_schema()
    return page(
        "Parameters of a job",
        'A client sends them as one JSON object in the form field `params`, e.g. `params={"vertebra": "L2"}`. All '
        "have a default, so the field may be left out. A field that is unknown or out of range is refused with "
        "[`invalid_parameters`](problems.md). The command line has an [option](command-line.md) for each.",
        fields_table(schema, schema["$defs"], with_default=True),
        *(section(name, part, 2, schema["$defs"]) for name, part in schema["$defs"].items()),
    )


def results_page() -> str:
    """Return the page of the result files and their arrays."""
    files = [[code(name), code(MEDIA_TYPES[name]), _contents(name)] for name in get_args(ResultName)]
    arrays = [
        [code(name), note.unit, str(note.components), note.present, note.meaning] for name, note in ARRAY_NOTES.items()
    ]
    regions = [[str(number), code(name)] for number, name in enumerate(REGIONS)]
    return page(
        "Result files",
        "`GET /v1/jobs/<id>/results` lists the files of a job with size, sha256 and URL. They appear whole or not at "
        "all. World coordinates are NIfTI RAS+ in mm everywhere: +x right, +y anterior, +z superior.",
        table(["file", "media type", "what it holds"], files),
        "A job of several levels has these files in a folder for each level, such as `L2/stress.vtu`, and "
        "`summary.json`. A refused job has `candidate-1.png` …: each vertebra that may be meant, with its neighbours, "
        "in the order of `alternatives` of its `error`.",
        "## Nodal arrays",
        "`stress.vtu` and `surface.vtp` have one value for each node. Node i is the same anatomical place in every "
        "file of one bundle, so the arrays of two people can be subtracted. Stresses and displacements are float32, "
        "the others uint8.",
        table(["array", "unit", "components", "present", "meaning"], arrays),
        "**The bone is homogeneous.** Every element has the same stiffness, whatever the density of the bone, unless "
        "the report says otherwise. So two people with one shape get one stress. See "
        "[the limits](../explanation/limits.md).",
        "`region` counts in this list:",
        table(["value", "region"], regions),
        "## Field data",
        f"`stress.vtu` has `load_newton` and `{ABOUT}`: the bytes of a JSON object with `units`, `frame`, "
        "`colour_maps`, `region_names`, `vertebra`, `load`, `fidelity`, `software` and `research_only`. In "
        "`surface.vtp` each of these texts is an array of strings.",
    )


def _contents(name: ResultName) -> str:
    return f"{CONTENTS[name]}{' Only where `results` names it.' if name in ON_REQUEST else ''}"


def report_page() -> str:
    """Return the page of `report.json` and `summary.json`."""
    report, summary = model_sections(Report), model_sections(Summary)
    shown = set(report)
    return page(
        "Report",
        "`report.json` is the first table. Its parts follow, each with its fields. A gateway publishes the JSON schema "
        "at `/v1/schemas/report.json`.",
        *report,
        "`summary.json` belongs to a job of several levels. Its schema is `/v1/schemas/summary.json`.",
        *(section for section in summary if section not in shown),
    )


def problems_page() -> str:
    """Return the page of the problem types."""
    rows = [[code(error.slug), str(error.status), plain(error.__doc__ or "")] for error in all_errors()]
    return page(
        "Problem types",
        "Errors are RFC 9457 problem details with `expected` and `got`. Their `type` is `/problems/<name>`, a page of "
        "the gateway that explains the problem. A CT or mask that cannot be used ends its job as `failed`; the job's "
        "`error` then holds the problem. Where the networks looked for a vertebra and refused, the job's results are "
        "pictures of what they saw.",
        table(["type", "status", "meaning"], rows),
    )
