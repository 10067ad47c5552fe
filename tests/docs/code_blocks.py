"""The code blocks of a page, and how they run: those of one page after each other, in one shell and one Python.

    python -m tests.docs.code_blocks PAGE

runs the blocks of a page in the current folder and ends with status 1 at the first that fails. A block that cannot run
has a comment with the reason in the line before it: ``<!-- not run: it needs a second machine -->``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHELL, PYTHON = "sh", "python"
SHOWN = ("text", "json")
"""Languages of blocks that show something and are not run."""
REASON = re.compile(r"<!-- not run: (.+) -->")
FENCE = re.compile(r"^\s*```(.*)$")
END_OF_BLOCK = "--- the block has ended ---"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the number of its first line, and why it is not run, if so."""

    language: str
    text: str
    line: int
    reason: str | None


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page from top to bottom."""
    found: list[Block] = []
    inner: list[str] | None = None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if inner is None and fence:
            inner, start = [], number + 2
            reason = REASON.fullmatch(lines[number - 1].strip()) if number else None
            language, why = fence[1].strip(), reason[1] if reason else None
        elif inner is not None and fence:
            found.append(Block(language, "\n".join(inner), start, why))
            inner = None
        elif inner is not None:
            inner.append(line)
    assert inner is None, f"{page}: a block does not end"
    return found


class Shell:
    """A bash that keeps its variables from block to block and ends when a command fails."""

    def __init__(self) -> None:
        command = ["bash", "--noprofile", "--norc", "-euo", "pipefail"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def run(self, text: str) -> bool:
        """Run a block, print what it prints, and return whether it succeeded."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{{\n{text}\n}} </dev/null\necho '{END_OF_BLOCK}'\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.endswith(f"{END_OF_BLOCK}\n"):
                print(line.removesuffix(f"{END_OF_BLOCK}\n"))
                return True
            print(line, end="")
        return False


def run_page(page: Path) -> int:
    """Run the blocks of a page; return an exit status."""
    shell, names = Shell(), dict[str, Any](__name__="__main__")
    for block in blocks_of(page):
        if block.reason or block.language in SHOWN:
            continue
        print(f"{page.name}, line {block.line}:", flush=True)
        if block.language == PYTHON:
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
        elif not shell.run(block.text):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(run_page(Path(sys.argv[1])))
