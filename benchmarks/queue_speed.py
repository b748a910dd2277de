"""How fast items are claimed and decided at any depth of the queue, beside the same writes without the workbench.

    python benchmarks/queue_speed.py [--sizes 10000 100000 1000000] [--rounds 5] [--keep FOLDER]

Reviewers are processes, as replicas would be. Each claims the next item and decides it (*Accept AI*), again and again.
A round is a fixed count of that for each reviewer, at every depth in turn: first ours, through the workbench's actions,
then bare, the same writes with as many commits by the driver alone (``queue_bare.py``), on the same queue. Whatever
slows the machine down slows both, so the ratios hold; each is taken within a round, and its middle is given with the
least and the most of the rounds. Milliseconds are medians of the rounds' p50 and p95.

Then the Queue page: the read behind it at every depth in turn, and the page itself in a browser.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import queue_page
from queue_crew import Crew, Round, Turn, crew, p50, p95
from queue_data import CREW, Queues, postgresql_queues, sqlite_queues

KINDS = {"sqlite": sqlite_queues, "postgresql": postgresql_queues}
#: Reach of the reviewers' grants, how many work at once, and how many items each takes in a round.
SETTINGS = (
    ("whole", 1, 150),
    ("whole", 4, 80),
    ("whole", 16, 25),
    ("region", 4, 50),
    ("territory", 4, 10),
)
#: What we hold ourselves to.
DEEPER = 1.5  #: p95 at the deepest queue, in those of the shallowest
BARE_SHARE = 1 / 3  #: decisions a second, in those of the bare loop


Rounds = dict[int, list[Round]]  #: by depth, in the order in which they were worked


def main() -> None:
    wanted = _wanted()
    print(f"{', '.join(f'{size:,}' for size in wanted.sizes)} open items; {wanted.rounds} rounds, in turn. {machine()}")
    verdicts = []
    with _folder(wanted.keep) as folder, crew(CREW) as reviewers:
        for kind in wanted.databases:
            with KINDS[kind](folder) as queues:
                for reach, at_once, each in SETTINGS:
                    if "claims" in wanted.parts and at_once in wanted.reviewers and reach in wanted.reach:
                        verdicts += measure(reviewers, queues, wanted, reach, at_once, each)
                if "reads" in wanted.parts:
                    verdicts += measure_reads(queues, wanted)
                if "page" in wanted.parts:
                    verdicts += measure_page(queues, wanted)
    print(f"\n{machine()}\n{summary(verdicts)}")


def measure(
    reviewers: Crew, queues: Queues, wanted: argparse.Namespace, reach: str, at_once: int, each: int
) -> list[bool]:
    """Work the rounds of one setting, print them, and tell which targets were met."""
    urls = {size: queues.copy(size) for size in wanted.sizes}
    ours: Rounds = {size: [] for size in wanted.sizes}
    bare: Rounds = {size: [] for size in wanted.sizes}
    for _ in range(wanted.rounds + 1):
        for size, url in urls.items():
            for rounds, is_ours in ((ours, True), (bare, False)):
                names = [f"{reach if is_ours else 'whole'}-{number}" for number in range(at_once)]
                rounds[size].append(reviewers.work([Turn(is_ours, url, name, each) for name in names]))
    reviewers.leave()
    for size in wanted.sizes:  # the first finds everything cold
        del ours[size][0], bare[size][0]
    print(f"\n{queues.name}, {at_once} at once, {_reach(reach)}, {each} items each")
    return _print_rounds(wanted.sizes, ours, bare)


def measure_reads(queues: Queues, wanted: argparse.Namespace) -> list[bool]:
    """The read behind the Queue page and its filters, for each reach."""
    verdicts = []
    urls = {size: queues.copy(size) for size in wanted.sizes}
    for reach in wanted.reach:
        print(f"\n{queues.name}, the read behind the Queue page, ms; {_reach(reach)}")
        verdicts += _print_times(wanted.sizes, queue_page.time_reads(urls, f"{reach}-0", runs=wanted.rounds))
    return verdicts


def measure_page(queues: Queues, wanted: argparse.Namespace) -> list[bool]:
    """The Queue page in a browser."""
    ends = sorted({wanted.sizes[0], wanted.sizes[-1]})
    urls = {size: queues.copy(size) for size in ends}
    print(f"\n{queues.name}, the Queue page in a browser, ms from the click to the frame with the rows", flush=True)
    return _print_times(ends, queue_page.time_pages(urls, runs=wanted.rounds))


def _print_times(sizes: list[int], timed: Iterator[tuple[str, queue_page.Milliseconds]]) -> list[bool]:
    print(f"  {'':28}" + "".join(f"{size:>12,}" for size in sizes) + f"   {sizes[-1]:,} / {sizes[0]:,}")
    verdicts = []
    for name, taken in timed:
        ratios = [deep / shallow for deep, shallow in zip(taken[sizes[-1]], taken[sizes[0]], strict=True)]
        met = statistics.median(ratios) <= queue_page.DEEPER
        cells = "".join(f"{statistics.median(taken[size]):12.1f}" for size in sizes)
        print(f"  {name:28}{cells}   {spread(ratios, '.2f'):20} {'PASS' if met else 'FAIL'}", flush=True)
        verdicts.append(met)
    return verdicts


def _print_rounds(sizes: list[int], ours: Rounds, bare: Rounds) -> list[bool]:
    print(f"  {'':28}" + "".join(f"{size:>22,}" for size in sizes))
    for name, part in (("claim", "claims"), ("decide", "decides")):
        for label, rounds in (("ours", ours), ("bare", bare)):
            cells = [_p50_p95([getattr(each, part) for each in rounds[size]]) for size in sizes]
            print(f"  {f'{name}, {label}: p50, p95 ms':28}" + "".join(f"{cell:>22}" for cell in cells))
    for label, rounds in (("ours", ours), ("bare", bare)):
        cells = [f"{spread([each.per_second for each in rounds[size]], '.0f')}" for size in sizes]
        print(f"  {f'decisions a second, {label}':28}" + "".join(f"{cell:>22}" for cell in cells))
    shares = {size: _ratios(ours[size], bare[size], lambda each: each.per_second) for size in sizes}
    print(f"  {'ours / bare':28}" + "".join(f"{spread(shares[size], '.2f'):>22}" for size in sizes))
    verdicts = [
        verdict("claim + decide / bare", shares[size], at_least=BARE_SHARE, where=f"{size:,}") for size in sizes
    ]
    if len(sizes) > 1:
        where = f"{sizes[-1]:,} / {sizes[0]:,}"
        for name, slow in (("claim", lambda each: p95(each.claims)), ("decide", lambda each: p95(each.decides))):
            deeper = _ratios(ours[sizes[-1]], ours[sizes[0]], slow)
            verdicts.append(verdict(f"p95 of {name}", deeper, at_most=DEEPER, where=where))
    return verdicts


def _ratios(above: list[Round], below: list[Round], what: Callable[[Round], float]) -> list[float]:
    return [what(one) / what(other) for one, other in zip(above, below, strict=True)]


def _p50_p95(rounds: list[list[float]]) -> str:
    return f"{statistics.median(map(p50, rounds)):.1f}, {statistics.median(map(p95, rounds)):.1f}"


def spread(values: list[float], form: str) -> str:
    """The middle, with the least and the most: ``0.41 (0.38-0.45)``."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def verdict(
    name: str, values: list[float], *, where: str, at_least: float | None = None, at_most: float | None = None
) -> bool:
    """Print and tell whether the middle of ``values`` meets its target."""
    middle = statistics.median(values)
    met = (at_least is None or middle >= at_least) and (at_most is None or middle <= at_most)
    target = f"at least {at_least:.2f}" if at_least is not None else f"at most {at_most:.2f}"
    print(f"  {'PASS' if met else 'FAIL'}  {name}, {where}: {spread(values, '.2f')}, {target}", flush=True)
    return met


def summary(verdicts: list[bool]) -> str:
    return f"{sum(verdicts)} of {len(verdicts)} targets met."


def machine() -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{time.strftime('%Y-%m-%d %H:%M')}; {os.cpu_count()} cores, load {load}."


def _reach(reach: str) -> str:
    return {"whole": "the whole workflow", "region": "a region each", "territory": "a territory each"}[reach]


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--databases", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--reviewers", nargs="+", type=int, default=[1, 4, 16], help="how many at once")
    parser.add_argument("--reach", nargs="+", default=["whole", "region", "territory"], help="of their grants")
    parser.add_argument("--parts", nargs="+", choices=["claims", "reads", "page"], default=["claims", "reads", "page"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a folder in which the filled queues stay, for the next time")
    return parser.parse_args()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="queue-speed-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own under root
        yield Path(folder)


if __name__ == "__main__":
    main()
