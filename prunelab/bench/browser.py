"""The dashboard in a real Chromium, compared with the simplest Voila page, served in the same way.

Needs the [test] extra (playwright, psutil) and a Chromium.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser

from prunelab import resources
from prunelab.bench import servers
from prunelab.bench.chromium import Opened, Visit, chromium
from prunelab.bench.servers import Server
from prunelab.bench.statistics import interleave, percentile, ratios, spread
from prunelab.bench.table import Row, Say
from prunelab.recipe import Recipe
from prunelab.sessions.session import Session

LONG = 10_000  # epochs: longer than any measurement during training
PRESS_INTERVAL = 0.15  # seconds between two presses: longer than the lab's minimum between two updates, 0.1
MEGABYTE = 1e6  # bytes


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: fewer and shorter repetitions.

    Raises playwright's Error if there is no browser, RuntimeError if a server does not start.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prunelab-bench-")))
        say("starting two servers and a browser")
        lab = stack.enter_context(servers.voila(resources.notebooks() / "dashboard.ipynb", home / "lab"))
        alone = servers.notebook(home / "alone", servers.ALONE)
        bare = stack.enter_context(servers.voila(alone, home / "bare"))
        browser = stack.enter_context(chromium())
        say("pages until they can be used")
        results = page_rows(browser, lab, bare, rounds=1 if quick else 5)
        say("the slider, idle and while training")
        beside = servers.notebook(home / "beside", servers.BESIDE)
        with servers.voila(beside, home / "both") as both:
            results += slider_rows(browser, both, blocks=2 if quick else 8, presses=5 if quick else 12)
        say("the threshold lines while the slider is dragged")
        results.append(drag_row(browser, lab, drags=2 if quick else 6, moves=60))
        say("training speed with the page open")
        results.append(speed_row(browser, lab, seconds=2 if quick else 5, rounds=1 if quick else 6))
        say("a full run on digits: its memory, and back through its moments")
        results += run_rows(browser, lab, steps=8 if quick else 60)
        say("live runs, and a reload")
        results += live_rows(browser, lab, runs=2 if quick else 10)
        results.append(reload_row(browser, lab, reloads=1 if quick else 5))
        say("the trade-off curve")
        results.append(curve_row(browser, lab))
        say("a stroke of the pen")
        results.append(stroke_row(browser, lab, strokes=4 if quick else 30))
    return results


def soak_rows(*, seconds: float, say: Say) -> list[Row]:
    """Memory of page and kernel at the end of a long run, relative to a tenth of it. Not in "all": it takes minutes."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prunelab-bench-")))
        lab = stack.enter_context(servers.voila(resources.notebooks() / "dashboard.ipynb", home / "lab"))
        browser = stack.enter_context(chromium())
        lab.rest()
        visit = Visit(browser, "lab", f"{lab.url}?model=mlp-small&epochs={LONG}")
        visit.wait_for(state="training")
        say(f"a run of {seconds / 60:.0f} minutes")
        visit.page.wait_for_timeout(100 * seconds)
        early, early_kernel = visit.heap(), servers.memory(lab.kernel(visit.kernel_id))[0]
        visit.page.wait_for_timeout(900 * seconds)
        late, late_kernel = visit.heap(), servers.memory(lab.kernel(visit.kernel_id))[0]
        visit.close()
    return [
        Row(
            f"page memory after {seconds / 60:.0f} minutes of training / after a tenth of that",
            late / early,
            "x",
            target=1.1,
            note=f"JavaScript's heap {late / MEGABYTE:.1f} MB against {early / MEGABYTE:.1f}",
        ),
        Row(
            "the kernel's memory, likewise",
            late_kernel / early_kernel,
            "x",
            target=1.1,
            note=f"resident {late_kernel:.0f} MB against {early_kernel:.0f}",
        ),
    ]


def page_rows(browser: Browser, lab: Server, bare: Server, *, rounds: int) -> list[Row]:
    """Time and bytes until a preheated page is usable: the lab's, compared with one with a single slider.

    Each is visited with an empty cache, and once more.
    """
    received: list[int] = []  # bytes until the lab is usable, and
    drawn: list[int] = []  # until it is drawn
    cuts: list[float] = []
    first: dict[str, list[Opened]] = {"lab": [], "bare": []}
    again: dict[str, list[Opened]] = {"lab": [], "bare": []}

    def rest() -> None:
        lab.rest()
        bare.rest()

    def opened(kind: str, server: Server) -> float:
        rest()
        visit = Visit(browser, kind, server.url)
        first[kind].append(visit.opened)
        if kind == "lab":
            received.append(visit.until_usable)
            drawn.append(visit.until_drawn)
        rest()
        again[kind].append(visit.again())
        if kind == "lab":
            rest()
            cuts.append(visit.first_cut())
        visit.close()
        return visit.opened.drawn

    interleave({"lab": lambda: opened("lab", lab), "bare": lambda: opened("bare", bare)}, rounds)

    def row(name: str, visits: dict[str, list[Opened]], until: str, target: float | None = None) -> Row:
        # The first round warmed up the machine and does not count.
        times = {kind: [getattr(each, until) for each in visits[kind][1:]] for kind in visits}
        lab_time, bare_time = (f"{spread(times[kind]).median / 1000:.1f} s" for kind in ("lab", "bare"))
        pairs = ratios(times["lab"], times["bare"])
        return Row.of(name, pairs, "x", target=target, note=f"{lab_time} against {bare_time}")

    shown = f"a press at that moment shows its cut {spread(cuts[1:]).median:.0f} ms later"
    usable = row("preheated page usable, its slider cuts a trained network / a one-slider page", first, "usable", 1.75)
    return [
        replace(usable, note=f"{usable.note}; {shown}"),
        row("the same on a second visit", again, "usable", 1.5),
        row("all plots in view drawn, too / a one-slider page", first, "drawn"),
        row("the same, drawn, on a second visit", again, "drawn"),
        Row(
            "bytes through the websocket until usable",
            max(received) / MEGABYTE,
            "MB",
            target=0.8,
            note=f"until drawn {max(drawn) / MEGABYTE:.2f} MB",
        ),
    ]


def slider_rows(browser: Browser, server: Server, *, blocks: int, presses: int) -> list[Row]:
    """Time from a key on the quality slider until all visible plots are repainted, compared with the bare slider.

    Both are on one page. They take turns, ``presses`` at a time, with the quality slider of a page that trains.
    """
    server.rest()
    page = Visit(browser, "lab", server.url)
    server.rest()
    training = Visit(browser, "lab", f"{server.url}?epochs={LONG}")
    training.wait_for(state="training")
    every: dict[str, list[float]] = {"idle": [], "bare": [], "training": []}

    def block(name: str, visit: Visit, kind: str) -> float:
        for _ in range(presses):
            time.sleep(PRESS_INTERVAL)
            every[name].append(visit.press(kind))
        return percentile(every[name][-presses:], 0.5)

    def while_training() -> float:
        training.click("Resume")
        training.wait_for(state="training")
        try:
            return block("training", training, "lab")
        finally:
            _pause(training)

    _pause(training)
    candidates = {
        "idle": lambda: block("idle", page, "lab"),
        "bare": lambda: block("bare", page, "bare"),
        "training": while_training,
    }
    interleave(candidates, blocks)
    for visit in (page, training):
        visit.close()
    # The first turn warmed up the pages and does not count.
    counted = {name: values[presses:] for name, values in every.items()}
    p95 = {name: percentile(values, 0.95) for name, values in counted.items()}
    middle = {name: percentile(values, 0.5) for name, values in counted.items()}
    times = {name: f"{middle[name]:.0f} ms (p95 {p95[name]:.0f})" for name in every}
    number = len(counted["idle"])
    return [
        Row(
            "slider to all visible plots, p95 / bare slider's p95 on the same page",
            p95["idle"] / p95["bare"],
            "x",
            target=1.75,
            note=f"{times['idle']} against {times['bare']}, {number} presses each",
        ),
        Row(
            "the same while training, p95 / idle p95",
            p95["training"] / p95["idle"],
            "x",
            target=1.35,
            note=f"{times['training']}; medians {middle['training'] / middle['idle']:.2f} x",
        ),
    ]


def drag_row(browser: Browser, lab: Server, *, drags: int, moves: int) -> Row:
    """Time from a mouse movement that drags the quality slider until the threshold lines of all panels follow."""
    lab.rest()
    visit = Visit(browser, "lab", lab.url)
    visit.drag(moves)  # warms up the page
    times = [taken for _ in range(drags) for taken in visit.drag(moves)]
    visit.close()
    return Row(
        "drag to moved threshold lines, p95",
        percentile(times, 0.95),
        "ms",
        target=33,
        note=f"median {percentile(times, 0.5):.0f}, most {max(times):.0f}; {len(times)} movements",
    )


def speed_row(browser: Browser, lab: Server, *, seconds: float, rounds: int) -> Row:
    """Steps per second of a run that a page shows, relative to the same recipe in a script, measured in turns."""
    lab.rest()
    visit = Visit(browser, "lab", f"{lab.url}?epochs={LONG}")
    visit.wait_for(state="training")
    _pause(visit)
    ticks = Session(Recipe(epochs=LONG)).ticks("train")

    def headless() -> float:
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            next(ticks)
            steps += 1
        return steps / (time.perf_counter() - began)

    def shown() -> float:
        visit.click("Resume")
        visit.wait_for(state="training")
        try:
            return visit.speed(seconds)
        finally:
            _pause(visit)

    results = interleave({"headless": headless, "shown": shown}, rounds)
    visit.close()
    speeds = {name: f"{spread(values).median:,.0f}" for name, values in results.items()}
    return Row.of(
        "training speed with the page open / headless",
        ratios(results["shown"], results["headless"]),
        "x",
        target=0.95,
        better="at least",
        note=f"digits, {speeds['shown']} against {speeds['headless']} steps/s",
    )


def run_rows(browser: Browser, lab: Server, *, steps: int) -> list[Row]:
    """Memory of a visitor's kernel after Run all on the digits; then the time of a step of the scrubber."""
    lab.rest()
    visit = Visit(browser, "lab", lab.url)
    visit.click("Run all")
    visit.wait_for(state="measuring", phase="retrained", round=str(Recipe().rounds))
    visit.wait_for(state="ready")
    resident, unique = servers.memory(lab.kernel(visit.kernel_id))
    visit.scrub("PageUp")  # warms up the page
    times = []
    for number in range(steps):
        time.sleep(PRESS_INTERVAL)
        times.append(visit.scrub("ArrowLeft" if number % 2 else "ArrowRight"))
    visit.close()
    return [
        Row(
            "memory of the kernel after a full run on digits",
            resident,
            "MB",
            target=350,
            note=f"resident; {unique:.0f} MB of it its own, the rest shared with other kernels",
        ),
        Row(
            "a step of the scrubber to all visible plots, p95",
            percentile(times, 0.95),
            "ms",
            target=150,
            note=f"median {percentile(times, 0.5):.0f}; {steps} steps",
        ),
    ]


def live_rows(browser: Browser, lab: Server, *, runs: int) -> list[Row]:
    """With "live": time from letting go of the slider to the first picture, and until all rounds are done."""
    lab.rest()
    visit = Visit(browser, "lab", f"{lab.url}?v=2&live=true&quality=1")
    times: dict[int | None, list[float]] = {None: [], Recipe().rounds: []}
    for _ in range(runs):
        for until, taken in times.items():
            visit.click("Reset")
            visit.wait_for(state="ready", round="0")
            taken.append(visit.let_go(until))
    visit.close()
    first, whole = times.values()
    return [
        Row(
            "live: a slider let go to the first picture of the new run, p95",
            percentile(first, 0.95),
            "ms",
            target=300,
            note=f"median {percentile(first, 0.5):.0f}; {runs} runs",
        ),
        Row.of(
            f"live: until {Recipe().rounds} rounds on digits are done", spread([t / 1000 for t in whole]), "s", target=3
        ),
    ]


def reload_row(browser: Browser, lab: Server, *, reloads: int) -> Row:
    """Time from a reload until the page can be used again, with the run that was there."""
    lab.rest()
    visit = Visit(browser, "lab", lab.url)
    visit.click("Prune")
    visit.wait_for(state="ready", phase="pruned")
    times = []
    for _ in range(reloads):
        lab.rest()
        times.append(visit.reload() / 1000)
        visit.wait_for(state="ready", phase="pruned")
    visit.close()
    return Row.of("a reload until the run is back and can be used", spread(times), "s")


def curve_row(browser: Browser, lab: Server) -> Row:
    """Time from the button of the trade-off panel until all lines of the curve are drawn, on the digits."""
    lab.rest()
    visit = Visit(browser, "lab", f"{lab.url}?v=2&show=tradeoff")
    visit.wait_for(state="ready")
    began = time.perf_counter()
    visit.click("Draw the curve")
    visit.wait_for(state="tracing")
    visit.wait_for(state="ready")
    seconds = time.perf_counter() - began
    visit.close()
    return Row("the trade-off curve on digits, all lines, with the page open", seconds, "s", target=30)


def stroke_row(browser: Browser, lab: Server, *, strokes: int) -> Row:
    """Time from a movement of the pen to new probabilities of both networks."""
    lab.rest()
    visit = Visit(
        browser, "lab", f"{lab.url}?v=2&show=draw&hide=weights,accuracy,connections,mask,pixels,dropout,size,speed"
    )
    times = [visit.stroke(number) for number in range(strokes + 1)][1:]  # the first warms up the page
    visit.close()
    return Row(
        "a drawn stroke to new probabilities, p95",
        percentile(times, 0.95),
        "ms",
        target=100,
        note=f"median {percentile(times, 0.5):.0f}; {strokes} strokes",
    )


def _pause(visit: Visit) -> None:
    visit.click("Pause")
    visit.wait_for(state="paused")
