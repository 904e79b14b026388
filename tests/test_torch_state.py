"""What torch keeps once for the process is used by one thread at a time, in the order in which they came."""

import threading

import pytest

from prunelab import torch_state
from prunelab.torch_state import process_lock


def test_two_threads_are_never_inside_together():
    both, inside, seen = threading.Barrier(2), [], []

    def work(name):
        both.wait()
        for _ in range(200):
            with process_lock(), process_lock():  # coming in again is allowed
                inside.append(name)
                sum(range(3000))
                seen.append(list(inside))
                inside.remove(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 400 and all(len(names) == 1 for names in seen)


def test_whoever_waits_comes_before_the_one_that_has_just_been_in():
    order = []

    def waiting():
        with process_lock():
            order.append("other")

    for _ in range(50):
        other = threading.Thread(target=waiting)
        with process_lock():
            other.start()
            while not torch_state._queue.locked():
                pass
        with process_lock():
            order.append("again")
        other.join()
    assert order == ["other", "again"] * 50


def test_an_error_inside_lets_the_next_one_in():
    with pytest.raises(KeyError), process_lock():
        raise KeyError
    came = threading.Event()

    def next_one():
        with process_lock():
            came.set()

    threading.Thread(target=next_one).start()
    assert came.wait(30)
