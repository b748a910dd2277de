"""From a click on *Accept AI* to the next item painted, beside a click in an empty one-button Streamlit app.

Both run in the same browser, in turn, ten clicks at a time, under the same server settings, so that the ratio holds
however fast the machine is. The time is taken inside the page: from the click to the frame after the new item's
heading stands there.

    python benchmarks/click_speed.py [CLICKS]
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

BLOCK = 10
EMPTY_APP = """
import streamlit as st
st.session_state.setdefault("count", 0)
def press():
    st.session_state["count"] += 1
st.subheader(f"Item {st.session_state['count']}")
st.button("Accept AI", on_click=press, key=f"accept-{st.session_state['count']}")
"""
CLICK = """
([name, heading]) => new Promise((resolve, reject) => {
  const shown = () => document.querySelector(heading)?.textContent ?? "";
  const button = [...document.querySelectorAll("button")].find((b) => b.textContent.startsWith(name) && !b.disabled);
  const before = shown();
  const started = performance.now();
  const timer = setTimeout(() => reject(new Error("no new item after 10 s; still " + before)), 10000);
  const watcher = new MutationObserver(() => {
    if (shown() && shown() !== before) {
      watcher.disconnect();
      clearTimeout(timer);
      requestAnimationFrame(() => resolve(performance.now() - started));
    }
  });
  watcher.observe(document.body, { childList: true, subtree: true, characterData: true });
  button.click();
})
"""


def main(clicks: int) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        work = Path(folder)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        with workbench(work, clicks) as ours, empty_app(work) as theirs:
            review, empty = browser.new_page(), browser.new_page()
            review.goto(ours)
            review.get_by_role("button", name="Sign in as reviewer").click()
            review.get_by_role("button", name="Start reviewing").click()
            empty.goto(theirs)
            for page in (review, empty):
                settle(page)
            times: dict[str, list[float]] = {"review": [], "empty": []}
            for _ in range(max(1, clicks // BLOCK)):
                times["review"] += [press(review) for _ in range(BLOCK)]
                times["empty"] += [press(empty) for _ in range(BLOCK)]
        browser.close()
    report(times)


def press(page: Page) -> float:
    """Milliseconds from the click to the frame after the new heading."""
    taken: float = page.evaluate(CLICK, ["Accept AI", "h3"])
    settle(page)
    return taken


def settle(page: Page) -> None:
    page.get_by_role("button", name="Accept AI").wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def report(times: dict[str, list[float]]) -> None:
    print(f"{'':28}{'p50 ms':>9}{'p95 ms':>9}{'min':>8}{'max':>8}{'n':>5}")
    for name, label in (("review", "Accept AI → next item"), ("empty", "empty one-button app")):
        values = times[name]
        p50, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"{label:28}{p50:9.1f}{p95:9.1f}{min(values):8.1f}{max(values):8.1f}{len(values):5}")
    ours, theirs = times["review"], times["empty"]
    print(f"ratio of medians {statistics.median(ours) / statistics.median(theirs):.2f}, ", end="")
    print(
        f"of p95 {statistics.quantiles(ours, n=20)[-1] / statistics.quantiles(theirs, n=20)[-1]:.2f} (aim: 2 or below)"
    )


@contextmanager
def workbench(work: Path, clicks: int) -> Iterator[str]:
    """The real server on a scratch database with more items than clicks."""
    port = free_port()
    environment = {**os.environ, "WORKBENCH_DATABASE_URL": f"sqlite:///{work / 'workbench.db'}"}
    command = [sys.executable, "-m", "workbench"]
    (work / "sales.toml").write_text('key = "sales"\ntitle = "Sales"\nunit = "EUR k"\nowner = "o@example.com"\n')
    (work / "items.csv").write_text(items(clicks + 2 * BLOCK))
    (work / "history.csv").write_text(history(clicks + 2 * BLOCK))
    for arguments in (
        ["db", "upgrade"],
        ["workflow", "add", str(work / "sales.toml")],
        ["import", "forecasts", str(work / "items.csv"), "--workflow", "sales"],
        ["import", "history", str(work / "history.csv"), "--workflow", "sales"],
    ):
        subprocess.run([*command, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    with served([*command, "serve", "--port", str(port)], f"http://127.0.0.1:{port}/readyz", environment):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def empty_app(work: Path) -> Iterator[str]:
    """A one-button app under plain Streamlit, with our setting that matters for speed."""
    port = free_port()
    script = work / "empty.py"
    script.write_text(EMPTY_APP)
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.address", "127.0.0.1", "--runner.postScriptGC", "false"]
    command += ["--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
    with served(command, f"http://127.0.0.1:{port}/_stcore/health", dict(os.environ)):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def served(command: list[str], ready: str, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(ready)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 -- our own server on this machine
                return
        except OSError:
            time.sleep(0.2)  # waiting for a process to start is the point here
    raise TimeoutError(address)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def items(count: int) -> str:
    rows = [f"account-{n},2026-12,{1000 + n},{900 + n},{1100 + n},{1000 + n + n * 7 % 300}" for n in range(count)]
    return "\n".join(["series,period,ai_forecast,ai_low,ai_high,human_forecast", *rows]) + "\n"


def history(count: int) -> str:
    months = [f"{year}-{month:02}" for year in (2025, 2026) for month in range(1, 13)][:-1]
    rows = [f"account-{n},{month},{950 + n % 17 * place}" for n in range(count) for place, month in enumerate(months)]
    return "\n".join(["series,period,actual", *rows]) + "\n"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
