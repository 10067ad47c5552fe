"""A headless Chromium that tests drive over the pipe of the DevTools protocol: open a page, run script in it, look."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from app.jobs.parent_death import die_with_parent
from tests.app.harness import PATIENCE_S, wait_for

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe")
WITHOUT_GRAPHICS = ("--disable-gpu",)
SOFTWARE_GRAPHICS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL on a machine without a graphics card."""
ANSWER_WITHIN_S = PATIENCE_S


class NavigatedError(AssertionError):
    """The page went away while a script ran in it."""


class Browser:
    """One page. Commands go in and answers come out as JSON, each ended by a zero byte."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._session, self._pending = 0, "", b""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self._call("Page.navigate", url=url)
        wait_for(lambda: self.run("location.href !== 'about:blank' && document.readyState === 'complete'"), url)

    def run_first(self, script: str) -> None:
        """Run script in every page that is opened from now on, before the scripts of the page."""
        self._call("Page.enable")
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def run(self, script: str) -> Any:
        """Run script in the page and return its value."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Return what a person reads in an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText")).replace(
            "\N{NO-BREAK SPACE}", " "
        )

    def click(self, selector: str) -> None:
        """Click an element."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        wait_for(lambda: self._holds(condition), condition)

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.run(f"Boolean({condition})"))
        except NavigatedError:  # the question came as the page went
            return False

    def choose_file(self, selector: str, *paths: Path) -> None:
        """Choose files in a form, or a folder where its field takes one."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=node)

    def drop(self, selector: str, *paths: Path) -> None:
        """Drop files or folders on an element."""
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        at = {"x": self.run(f"{box}.x") + 5, "y": self.run(f"{box}.y") + 5}
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._call("Input.dispatchDragEvent", type=kind, **at, data=data)

    def resize(self, width: int, height: int = 800, scheme: str = "light") -> None:
        """Give the page a size in CSS pixels and a colour scheme, ``light`` or ``dark``."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[scheme_feature])

    def media(self, medium: str) -> None:
        """Show the page as on a medium, ``print`` or, with an empty text, the screen."""
        self._call("Emulation.setEmulatedMedia", media=medium)

    def forget_cookies(self) -> None:
        """Throw all cookies away, as the end of a session does."""
        self._call("Network.clearBrowserCookies")

    def press(self, key: str) -> None:
        """Press a key and let it go, as a person does."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=key if len(key) == 1 else "")

    def click_at(self, x: float, y: float) -> None:
        """Click a point of the page, CSS pixels."""
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def touch(self, kind: str, *fingers: tuple[float, float]) -> None:
        """Send ``touchStart``, ``touchMove`` or ``touchEnd`` with the fingers that touch, CSS pixels."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        self._call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def screenshot(self, path: Path, width: int = 1000) -> None:
        """Save a picture of the whole page."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        picture = self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(picture))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(command | session).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise NavigatedError(answer)
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._answers], [], [], ANSWER_WITHIN_S)
            assert ready, f"no answer of the browser within {ANSWER_WITHIN_S} s"
            data = os.read(self._answers, 1 << 16)
            assert data, "the browser has ended"
            self._pending += data
        message, _, self._pending = self._pending.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


@contextmanager
def running_browser(profile: Path, graphics: tuple[str, ...] = WITHOUT_GRAPHICS) -> Iterator[Browser]:
    """Start Chromium, which reads commands from its file descriptor 3 and writes answers to 4."""
    assert CHROMIUM is not None
    command_end, commands = os.pipe()
    answers, answer_end = os.pipe()

    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (command_end, answer_end)]  # clear of 3 and 4
    parent = os.getpid()

    def place_pipes() -> None:
        die_with_parent(parent)
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, *graphics, f"--user-data-dir={profile}"],
        preexec_fn=place_pipes,
        close_fds=False,  # Python's own are not inherited anyway
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (command_end, answer_end, *high):
        os.close(end)
    try:
        yield Browser(commands, answers)
    finally:
        process.kill()
        process.wait()
        for end in (commands, answers):
            with suppress(OSError):
                os.close(end)
