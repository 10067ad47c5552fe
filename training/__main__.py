"""Command line of the offline side: ``python -m training COMMAND``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from models.bundle import DEFAULT_BUNDLE, Bundle


def data_folder() -> Path:
    """Return the folder of real data: ``$VERTEBRA_DATA``, or ``../shared/data`` beside the repository."""
    return Path(os.environ.get("VERTEBRA_DATA", Path(__file__).parents[2] / "shared" / "data"))


def make_template(arguments: argparse.Namespace) -> None:
    """Build the template and the shape model and write them into the bundle."""
    from training.export import write_manifest, write_shape_model, write_template
    from training.template import MEAN_WEIGHTS, build

    template, model = build(arguments.data)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_template(arguments.out, template)
    write_shape_model(arguments.out, model)
    write_manifest(
        arguments.out,
        template={
            "command": "python -m training template --data DATA",
            "mean_of": MEAN_WEIGHTS,
            "surface_nodes": template.n_surface,
            "nodes": len(template.nodes),
            "tets": len(template.tets),
            "modes": model.n_modes,
        },
    )
    bundle = Bundle(arguments.out)
    sizes = {name: f"{entry['size'] / 1e6:.2f} MB" for name, entry in bundle.manifest["files"].items()}
    print(f"bundle {bundle.version} in {arguments.out}: {sizes}")


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("template", help=make_template.__doc__)
    command.add_argument("--data", type=Path, default=data_folder(), help="folder of source shapes")
    command.add_argument("--out", type=Path, default=DEFAULT_BUNDLE, help="bundle folder")
    command.set_defaults(run=make_template)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
