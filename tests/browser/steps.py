"""Starting a real server, and the steps that every browser test takes.

Find things by role and name, wait for what the user would see, then call ``settled``; never wait for a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass(frozen=True)
class Workbench:
    """One running server."""

    url: str
    database_url: str
    environment: dict[str, str]
    process: subprocess.Popen[str]
    log: list[str]  #: what it wrote so far, line by line

    def command(self, *words: str) -> str:
        """Run ``workbench …`` on the same database; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


@contextmanager
def serving(database_url: str, folder: Path, *, code: Path = ROOT, **settings: str) -> Iterator[Workbench]:
    """``workbench serve`` on a free port, from ``folder``; ``settings`` without their prefix, ``auth="oidc"``.

    ``code``: where its packages are, for another version than this one.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_")}
    quick = {"drain_seconds": "0", "double_click_ms": "0", "disk_free_percent": "0"}
    environment |= {f"WORKBENCH_{name.upper()}": value for name, value in (quick | settings).items()}
    environment |= {"WORKBENCH_DATABASE_URL": database_url, "PYTHONPATH": str(code)}
    port = settings.get("port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "serve", "--port", port],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log: list[str] = []
    try:
        assert process.stdout is not None
        url = _address(process.stdout, log)
        # Somebody has to read on, or the server stops when the pipe is full.
        Thread(target=lambda: log.extend(process.stdout or ()), daemon=True).start()
        _wait_until_ready(url)
        yield Workbench(url, database_url, environment, process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(lines: IO[str], log: list[str]) -> str:
    for line in lines:
        log.append(line)
        if "The review workbench is at " in line:
            return line.split(" is at ")[1].strip()
    raise AssertionError("The server stopped before it said its address:\n" + "".join(log))


def _wait_until_ready(url: str) -> None:
    # The socket is open before the address is printed, so this waits for the answer and not for a time.
    with urllib.request.urlopen(f"{url}/readyz", timeout=60) as answer:  # noqa: S310 -- our own address
        assert answer.status == 200


def settled(page: Page) -> None:
    """Wait until the script has run and the page shows it. After a click wait for its result first."""
    page.locator(SETTLED).wait_for()


def sign_in(page: Page, workbench: Workbench, role: str, path: str = "/") -> None:
    """Open ``path`` and sign in there as ``role``, in demo mode."""
    page.goto(workbench.url + path)
    page.get_by_role("button", name=f"Sign in as {role}", exact=True).click()
    page.get_by_role("button", name="Sign out").wait_for()
    settled(page)
