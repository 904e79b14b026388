"""Sweeps on the workers of an executor: the same to the last bit, and whole, also when a worker is killed."""

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import safetensors.torch
from dask.distributed import Client, LocalCluster

import prunelab as pl
from prunelab.errors import ExecutorWarning, SweepError
from prunelab.experiments.sweep import stream, sweep
from support.sessions import quick
from support.sweeps import DATA, TINY, Watched, bare

BASE = quick(epochs=1, retrain_epochs=1, rounds=1)
QUALITIES = [0.1, 0.2, 0.3, 0.4, 0.5]


class Here(Executor):
    """Does all work at once, in this process, and keeps the arguments that it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[object, ...]] = []
        self.futures: list[Future] = []

    def submit(self, function, /, *args, **kwargs):
        future: Future = Future()
        self.given.append(args)
        self.futures.append(future)
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class OnlyOne(Here):
    """Does one piece of work, and never begins the others."""

    def submit(self, function, /, *args, **kwargs):
        if self.futures:
            self.futures.append(Future())
            return self.futures[-1]
        return super().submit(function, *args, **kwargs)


class WithoutDisk(Here):
    """Has a worker that fails at seed 1."""

    def submit(self, function, /, *args, **kwargs):
        if args[0]["seed"] != 1:
            return super().submit(function, *args, **kwargs)
        future: Future = Future()
        future.set_exception(OSError("this worker's disk is gone"))
        return future


@pytest.fixture
def processes():
    # Not forked: this process has threads of others, whose locks a copy of it would keep for ever.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture
def cluster():
    """A client of a scheduler with two worker processes on this machine."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_processes_give_the_bits_of_one_after_another_and_a_killed_one_ends_the_sweep_in_words(processes, tmp_path):
    settings = {"quality": [0.5, 1.0], "seed": [0, 1], "batch_norm": [False, True]}
    assert bare(sweep(BASE, executor=processes, **settings)) == bare(sweep(BASE, **settings))

    model, folder = Watched(tmp_path), tmp_path / "kept"
    watched = stream(TINY, model=model, data=DATA, executor=processes, directory=folder, quality=QUALITIES)
    assert next(watched).done == 0
    while next(watched).done < 1:
        pass
    model.kill()
    with pytest.raises(
        SweepError, match="the executor died.*of 5 runs have ended and are kept, in .*Missing: q"
    ) as info:
        list(watched)
    kept = info.value.sweep
    assert 1 <= len(kept.runs) < 5 and set(kept.missing).isdisjoint(run.recipe for run in kept.runs)
    with pytest.raises(SweepError, match="the executor died"):  # it is of no use any more
        sweep(TINY, model=model, data=DATA, executor=processes, directory=folder, quality=QUALITIES)
    whole = sweep(TINY, model=model, data=DATA, directory=folder, quality=QUALITIES)
    assert bare(whole) == bare(sweep(TINY, model=model, data=DATA, quality=QUALITIES))
    assert all(run in whole.runs for run in kept.runs), "seconds too: they were not run again"


FORKED = """
import multiprocessing, torch, prunelab as pl
from concurrent.futures import ProcessPoolExecutor

torch.set_num_threads(2)
torch.ones(1000, 1000) @ torch.ones(1000, 1000)  # in two threads, which a fork does not have
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
    recipe = pl.Recipe(epochs=1, retrain_epochs=1, rounds=1)
    print(len(pl.sweep(recipe, quality=[0.5, 1.0], executor=executor).finished))
"""


def test_processes_may_be_forked_from_one_where_torch_had_threads():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert done.stdout == "2\n", done.stderr


def test_dask_does_the_run_of_a_killed_worker_again_and_counts_it_once(cluster, tmp_path):
    model = Watched(tmp_path)
    ended = []
    for progress in stream(TINY, model=model, data=DATA, executor=cluster.get_executor(), quality=QUALITIES):
        if [progress.sweep.runs] == ended[-1:]:
            continue  # nothing has ended meanwhile
        ended.append(progress.sweep.runs)
        if progress.done == 1:
            model.kill()
    assert [len(runs) for runs in ended] == [0, 1, 2, 3, 4, 5]
    assert not (tmp_path / "deadly").exists(), "a worker was killed"
    # The dense network and five runs; one of these began twice. More, if the scheduler lost finished work with it.
    assert len(model.trainings) >= 7 and len({process for process, _ in model.trainings}) >= 2
    assert {threads for _, threads in model.trainings} == {1}
    assert bare(progress.sweep) == bare(sweep(TINY, model=model, data=DATA, quality=QUALITIES))


def test_workers_get_json_types_and_dense_networks_as_bytes_of_tensors():
    here = Here()
    result = sweep(BASE, executor=here, quality=[0.5, 1.0], seed=[0, 1])
    assert bare(result) == bare(sweep(BASE, quality=[0.5, 1.0], seed=[0, 1]))
    recipes = [args[0] for args in here.given]
    assert len(recipes) == 6 and all(pl.Recipe.from_dict(values).to_dict(usual=True) == values for values in recipes)
    dense = [args[2] for args in here.given if len(args) == 3]
    assert len(dense) == 4
    for values, tensors, seconds in dense:
        assert json.dumps(values) and safetensors.torch.load(tensors) and seconds > 0
    assert all(set(future.result()) in ({"dense"}, set(result.runs[0].to_dict())) for future in here.futures)


def test_runs_that_diverge_on_a_worker_are_recorded():
    settings = {"learning_rate": [10.0, 0.1], "strength": 1.0, "quality": [0.5, 1.0]}
    result = sweep(quick(), executor=Here(), **settings)
    assert bare(result) == bare(sweep(quick(), **settings)) and len(result.failed) == 2


def test_what_has_not_begun_is_cancelled_when_a_sweep_is_left():
    one = OnlyOne()
    watched = stream(BASE, executor=one, seed=range(4))
    assert [next(watched).done, next(watched).done] == [0, 1]
    watched.close()
    assert [future.cancelled() for future in one.futures] == [False, True, True, True]


def test_an_error_of_a_worker_is_told_with_what_is_missing_after_all_that_was_finished():
    with pytest.raises(SweepError, match="disk is gone. 2 of 3 runs have ended .*sweep. Missing: seed 1$") as info:
        sweep(BASE, executor=WithoutDisk(), seed=[0, 1, 2])
    assert bare(info.value.sweep) == bare(sweep(BASE, seed=[0, 2])) and isinstance(info.value.__cause__, OSError)


def test_threads_are_taken_with_a_word_on_turns():
    with ThreadPoolExecutor(2) as threads, pytest.warns(ExecutorWarning, match="take turns.*ProcessPoolExecutor"):
        result = sweep(BASE, executor=threads, quality=[0.5, 1.0], seed=[0, 1])
    assert bare(result) == bare(sweep(BASE, quality=[0.5, 1.0], seed=[0, 1]))


def test_a_client_is_no_executor_but_has_one():
    class Client:
        def get_executor(self):
            raise AssertionError

    with pytest.raises(TypeError, match=r"executor = Client: .*hand over client.get_executor\(\)"):
        sweep(BASE, executor=Client(), quality=1)


def test_an_executor_that_was_shut_down(processes):
    processes.shutdown()
    with pytest.raises(SweepError, match="cannot schedule new futures after shutdown. 0 of 2 runs"):
        sweep(BASE, executor=processes, quality=[0.5, 1.0])
