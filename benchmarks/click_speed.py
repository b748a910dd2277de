"""From a click on *Accept AI* to the next item painted, beside a click in an empty one-button Streamlit app.

Both run in the same browser, in turn, ten clicks at a time, under the same server settings, so that the ratio holds
however fast the machine is. The time is taken inside the page, twice: until the frame after the new item's heading
stands there, and until its figures and the buttons that decide it do. The guard against double clicks is off, since a
person waits longer than a benchmark does. Then ten reviewers press at once, each every few seconds, on one server.

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

from playwright.sync_api import Browser, Page, sync_playwright

BLOCK = 10
EMPTY_APP = """
import streamlit as st
st.session_state.setdefault("count", 0)
def press():
    st.session_state["count"] += 1
st.subheader(f"Item {st.session_state['count']}")
st.button("Accept AI", on_click=press, key=f"accept-{st.session_state['count']}")
"""
#: In the page: press, and tell when the new heading was painted, and when the whole card was.
CLICK = """
([name, heading, card]) => new Promise((resolve, reject) => {
  const shown = () => document.querySelector(heading)?.textContent ?? "";
  const names = () => [...(document.querySelector(card || "body")?.classList ?? [])];
  const row = () => names().find((name) => name.startsWith("st-key-")) ?? "";
  const button = [...document.querySelectorAll("button")].find((b) => b.textContent.startsWith(name) && !b.disabled);
  const before = shown(), rowBefore = row();
  const started = performance.now();
  let headed = null;
  const timer = setTimeout(() => reject(new Error("no new item after 10 s; still " + before)), 10000);
  const watcher = new MutationObserver(() => {
    const isNew = shown() && shown() !== before;
    if (headed === null && isNew) requestAnimationFrame(() => headed = performance.now() - started);
    if (isNew && (!card || (row() && row() !== rowBefore))) {
      watcher.disconnect();
      clearTimeout(timer);
      requestAnimationFrame(() => resolve([headed ?? performance.now() - started, performance.now() - started]));
    }
  });
  watcher.observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
  button.click();
})
"""
#: In the page: press again and again, with a pause of two to six seconds, and keep what each press took.
MANY = """
([arguments_, seconds]) => {
  const press = PRESS;
  window.taken = [];
  window.finished = false;
  const until = performance.now() + seconds * 1000;
  const settled = () => document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]");
  const go = async () => {
    if (performance.now() > until) { window.finished = true; return; }
    const failed = (error) => window.failure = `${error}`;
    if (settled()) await press(arguments_).then((took) => window.taken.push(took), failed);
    setTimeout(go, 2000 + 4000 * Math.random());
  };
  setTimeout(go, 4000 * Math.random());
}
""".replace("PRESS", CLICK)
CARD = "[class*=st-key-choices-]"
#: Reviewers at once, and for how many seconds; 0 leaves them out.
CROWD, CROWD_SECONDS = int(os.environ.get("CROWD", "10")), 45


def main(clicks: int) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        work = Path(folder)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        with workbench(work, clicks + 20 * CROWD) as ours, empty_app(work) as theirs:
            review, empty = reviewing(browser, ours), browser.new_page()
            empty.goto(theirs)
            settle(empty)
            taken: dict[str, list[tuple[float, float]]] = {"review": [], "empty": []}
            for _ in range(max(1, clicks // BLOCK)):
                taken["review"] += [press(review, CARD) for _ in range(BLOCK)]
                taken["empty"] += [press(empty, "") for _ in range(BLOCK)]
            report(taken)
            if CROWD:
                crowd(browser, ours, [whole for _, whole in taken["review"]])
        browser.close()


def reviewing(browser: Browser, address: str) -> Page:
    """A reviewer with an item before them, in a browser of their own."""
    page = browser.new_context().new_page()
    page.goto(address)
    page.get_by_role("button", name="Sign in as reviewer").click()
    page.get_by_role("button", name="Start reviewing").click()
    settle(page)
    return page


def press(page: Page, card: str) -> tuple[float, float]:
    """Milliseconds from the click to the frame after the new heading, and after the whole card."""
    headed, whole = page.evaluate(CLICK, ["Accept AI", "h3", card])
    settle(page)
    return headed, whole


def crowd(browser: Browser, address: str, alone: list[float]) -> None:
    """Ten reviewers at once: their presses beside those of one, on the same server process."""
    pages = [reviewing(browser, address) for _ in range(CROWD)]
    for page in pages:
        page.evaluate(MANY, [["Accept AI", "h3", CARD], CROWD_SECONDS])
    taken: list[float] = []
    for page in pages:
        while not page.evaluate("window.finished"):
            page.wait_for_timeout(500)
        assert not page.evaluate("window.failure ?? ''"), page.evaluate("window.failure")
        taken += [whole for _, whole in page.evaluate("window.taken")]
    one, many = statistics.quantiles(alone, n=20)[-1], statistics.quantiles(taken, n=20)[-1]
    print(
        f"{CROWD} reviewers at once, {len(taken)} presses: p50 {statistics.median(taken):.1f}, p95 {many:.1f} ms, ",
        end="",
    )
    print(f"{many / one:.2f} times that of one (aim: 3 or below)")


def settle(page: Page) -> None:
    page.get_by_role("button", name="Accept AI").wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def report(taken: dict[str, list[tuple[float, float]]]) -> None:
    rows = {
        "Accept AI → next heading": [headed for headed, _ in taken["review"]],
        "Accept AI → whole card": [whole for _, whole in taken["review"]],
        "empty one-button app": [whole for _, whole in taken["empty"]],
    }
    print(f"{'':28}{'p50 ms':>9}{'p95 ms':>9}{'min':>8}{'max':>8}{'n':>5}")
    for label, values in rows.items():
        p50, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"{label:28}{p50:9.1f}{p95:9.1f}{min(values):8.1f}{max(values):8.1f}{len(values):5}")
    empty = rows.pop("empty one-button app")
    for label, values in rows.items():
        medians = statistics.median(values) / statistics.median(empty)
        p95 = statistics.quantiles(values, n=20)[-1] / statistics.quantiles(empty, n=20)[-1]
        print(f"{label}: {medians:.2f} times the empty app's median (aim: 1.5), {p95:.2f} times its p95 (aim: 2)")


@contextmanager
def workbench(work: Path, clicks: int) -> Iterator[str]:
    """The real server on a scratch database with more items than clicks."""
    port = free_port()
    environment = {**os.environ, "WORKBENCH_DATABASE_URL": f"sqlite:///{work / 'workbench.db'}"}
    environment["WORKBENCH_DOUBLE_CLICK_MS"] = "0"
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
