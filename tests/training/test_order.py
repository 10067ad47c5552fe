"""A command that needs what another makes names the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.__main__ import main


@pytest.mark.parametrize(
    ("command", "before"), [("networks", "simulate"), ("calibrate", "networks"), ("evaluate", "networks")]
)
def test_a_command_names_the_one_before_it(command: str, before: str, tmp_path: Path) -> None:
    report = ["--report", str(tmp_path / "report")] if command == "evaluate" else []
    with pytest.raises(SystemExit, match=rf"Run `python -m training {before}` first\.$"):
        main([command, "--work", str(tmp_path), *report])
