"""The picture of speed at every step of a measurement with several numbers of threads."""

import itertools

import pytest

from prunelab import views
from prunelab.hardware import Machine
from prunelab.results.measurement import Latency, Measurement
from prunelab.views import key_figures

SECONDS = {  # (threads, network): of one batch
    (1, "dense"): 2e-3,
    (1, "converted"): 1e-3,
    (2, "dense"): 1e-3,
    (2, "converted"): 4e-3,
}


def timed(pairs, networks=("dense", "converted")) -> Measurement:
    """A measurement of these (threads, batch size), in that order."""
    latencies = [
        Latency(name, batch, threads, seconds, 0.99 * seconds, 1.01 * seconds, 0.99 * seconds)
        for threads, batch in pairs
        for name in networks
        for seconds in [SECONDS[threads, name]]
    ]
    return Measurement(Machine("processor", 2, "system", "2.13"), 10, 100, (), tuple(latencies))


ORDER = list(itertools.product((1, 2), (1, 8, 64)))


@pytest.mark.parametrize("done", range(1, len(ORDER) + 1))
def test_a_measurement_under_way_shows_the_threads_that_all_batch_sizes_have(done):
    measurement = timed(ORDER[:done])
    threads = 2 if done == len(ORDER) else 1
    assert measurement.threads == threads
    view = views.speed(measurement)
    ratio = SECONDS[threads, "converted"] / SECONDS[threads, "dense"]
    assert [trace["name"] for trace in view["data"]] == ["dense", "converted"]
    assert view["data"][1]["x"] == pytest.approx([ratio] * min(done, 3))
    assert f", {threads} {'thread' if threads == 1 else 'threads'}." in view["layout"]["meta"]["summary"]
    slower = "Not faster anywhere: no network beats dense at any batch size"
    faster = "Converted, the network is 2.0x faster at batch 1"
    assert view["layout"]["title"]["text"] == (faster if threads == 1 else slower)
    for batch in measurement.batches:
        assert key_figures.speed(measurement, batch)[0] == ("2.0x" if threads == 1 else "no gain")


def test_a_network_that_only_other_threads_have_is_left_out():
    measurement = timed(ORDER[:3])
    more = timed(ORDER[3:], networks=("dense",))
    both = Measurement(measurement.machine, 10, 100, (), (*measurement.latencies, *more.latencies))
    assert [trace["name"] for trace in views.speed(both)["data"]] == ["dense"]
    assert both.latency("converted", 8) is None and both.latency("converted", 8, threads=1) is not None
