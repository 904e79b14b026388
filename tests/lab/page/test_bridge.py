"""The bridge by itself, with and without an event loop."""

import asyncio
import itertools
import threading

from prunelab.lab.page.bridge import INTERVAL, UNHURRIED, Bridge


def test_without_a_loop_updates_run_at_once_and_what_they_raise_is_told():
    seen, told = [], []
    bridge = Bridge(told.append)
    bridge.post("a", lambda: seen.append(1))
    assert seen == [1]
    bridge.post("a", lambda: 1 / 0)
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_on_a_loop_updates_run_on_its_thread_the_latest_wins_and_at_most_ten_a_second():
    async def scene():
        bridge, seen, loop = Bridge(print), [], asyncio.get_running_loop()

        def work():
            for i in range(200):
                bridge.post("slider", lambda i=i: seen.append((i, loop.time(), threading.get_ident())))
                stop.wait(0.002)

        stop = threading.Event()
        await asyncio.to_thread(work)
        await asyncio.sleep(2 * INTERVAL)
        return seen, threading.get_ident()

    seen, home = asyncio.run(scene())
    assert seen[-1][0] == 199 and {ident for _, _, ident in seen} == {home}
    gaps = [b[1] - a[1] for a, b in itertools.pairwise(seen)]
    assert len(seen) < 200 and min(gaps) >= INTERVAL * 0.9


def test_lanes_do_not_wait_for_each_other():
    async def scene():
        bridge, seen = Bridge(print), []
        for lane in ("run", "slider"):
            bridge.post(lane, lambda lane=lane: seen.append(lane))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(scene()) == ["run", "slider"]


def test_a_run_is_not_drawn_again_soon_after_a_hand_has_drawn_it():
    async def scene():
        bridge, loop, drawn = Bridge(print), asyncio.get_running_loop(), []

        def draw():
            drawn.append(loop.time())

        bridge.post("run", draw)
        await asyncio.sleep(0.01)
        bridge.post("run", draw)  # waits, and is done with what the hand asks for
        bridge.post("slider", draw)
        while len(drawn) < 3:
            await asyncio.sleep(0.01)
            bridge.post("run", draw)
        await asyncio.sleep(UNHURRIED["run"] / 2)
        return drawn

    first, hand, *later = asyncio.run(scene())
    assert hand - first < UNHURRIED["run"] / 2
    assert len(later) == 1 and later[0] - hand >= 0.9 * UNHURRIED["run"]


def test_work_that_can_wait_makes_way_for_an_update():
    async def scene():
        bridge, order = Bridge(print), []
        begun = threading.Event()

        def update():
            begun.set()
            stop.wait(0.1)
            order.append("update")

        def work():
            begun.wait(5)
            bridge.rest(5)
            order.append("work")

        stop = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        bridge.soon(update)
        await asyncio.to_thread(thread.join)
        bridge.rest(0)  # nothing is carried out: no wait
        return order

    assert asyncio.run(scene()) == ["update", "work"]


def test_what_can_wait_runs_once_and_only_after_the_last_call():
    async def scene():
        bridge, seen, loop = Bridge(print), [], asyncio.get_running_loop()
        for number in range(3):
            bridge.at_rest(lambda number=number: seen.append((number, loop.time())), 0.05)
            last = loop.time()
            await asyncio.sleep(0.02)
        assert seen == [], "not while it is asked for again"
        await asyncio.sleep(0.2)
        return seen, last

    seen, last = asyncio.run(scene())
    assert [number for number, _ in seen] == [2] and seen[0][1] >= last + 0.05


def test_without_a_loop_nothing_is_drawn_for_a_screen():
    seen = []
    Bridge(print).at_rest(lambda: seen.append(1), 0.0)
    assert seen == []
