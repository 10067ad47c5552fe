"""A small parser of Dockerfiles; it reads what this project's own files use."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


@dataclass(frozen=True)
class Dockerfile:
    path: Path
    instructions: list[tuple[str, str]]

    def of(self, keyword: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == keyword]

    def pip_lines(self) -> list[list[str]]:
        """Return the arguments of every ``pip install``, without the program."""
        commands = [part.strip() for run in self.of("RUN") for part in run.split("&&")]
        words = [shlex.split(command) for command in commands]
        return [line[1:] for line in words if Path(line[0]).name == "pip" and line[1] == "install"]

    def build_context(self, into: Path) -> None:
        """Copy into a folder what the build stage copies, as it copies it."""
        for rest in self.of("COPY"):
            *sources, target = rest.split()
            if rest.startswith("--from") or Path(target).is_absolute():
                continue
            for source in sources:
                to = into / (Path(source).name if target == "./" else target)
                skip = shutil.ignore_patterns("__pycache__")
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, to, ignore=skip)
                else:
                    shutil.copy(ROOT / source, to)


def read_dockerfile(path: Path) -> Dockerfile:
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return Dockerfile(path, [(name.upper(), rest.strip()) for name, rest in pairs])
