"""Count how inputs end, how long they take, and which of them end as they must not."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

LONGEST_S = 5.0
"""Of the processor's time: an input that takes more hangs."""
DEADLINE_S = 60
"""Of the clock: an input that waits for something is interrupted then. The machine may be busy, so it is longer."""
MOST_MB = 1000.0
"""By how much the process may grow."""


class Hang(Exception):
    """An input was still being handled at the deadline."""


@dataclass
class Tally:
    """What was seen.

    Attributes
    ----------
    endings
        Count of each kind and ending: a problem's slug, or "accepted".
    untyped
        Name of each input that ended neither as accepted nor as a problem of ours, with the error's last lines.
    hangs
        Names of the inputs that took too long.
    slowest
        Seconds and name of the slowest input, by the processor's time.
    growth_mb
        By how much the process' peak memory grew.
    """

    endings: Counter[str] = field(default_factory=Counter)
    untyped: dict[str, str] = field(default_factory=dict)
    hangs: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    growth_mb: float = 0.0

    def record(self, name: str, case: Callable[[], str]) -> None:
        """Run one input under the deadline and count how it ends."""
        begin = time.process_time()
        kind = name.partition(":")[0]
        try:
            with _deadline():
                self.endings[f"{kind} {case()}"] += 1
        except Hang:
            self.hangs.append(name)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.untyped[name] = "".join(traceback.format_exception(error)[-3:])[-1500:]
        seconds = time.process_time() - begin
        self.slowest = max(self.slowest, (round(seconds, 2), name))
        if seconds > LONGEST_S and name not in self.hangs:
            self.hangs.append(name)

    @property
    def is_clean(self) -> bool:
        """Whether every input ended as it must."""
        return not self.untyped and not self.hangs and self.growth_mb <= MOST_MB

    def figures(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "inputs": self.endings.total() + len(self.untyped) + len(self.hangs),
            "untyped_errors": len(self.untyped),
            "hangs": len(self.hangs),
            "slowest_s": self.slowest[0],
            "slowest": self.slowest[1],
            "growth_mb": round(self.growth_mb, 1),
            "endings": dict(sorted(self.endings.items())),
            "untyped": self.untyped,
            "hanging": self.hangs,
        }

    def text(self) -> str:
        """Return the figures for a person."""
        figures = self.figures()
        lines = [f"{ending:40}{count:8}" for ending, count in figures["endings"].items()]
        lines += [f"UNTYPED {name}\n{error}" for name, error in self.untyped.items()]
        lines += [f"HANG {name}" for name in self.hangs]
        lines.append(
            f"{figures['inputs']} inputs: {figures['untyped_errors']} untyped errors, {figures['hangs']} hangs "
            f"(slowest {figures['slowest_s']} s: {figures['slowest']}), memory grew by {figures['growth_mb']} MB"
        )
        return "\n".join(lines)


@contextmanager
def _deadline() -> Iterator[None]:
    def interrupt(_signal: int, _frame: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(DEADLINE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
