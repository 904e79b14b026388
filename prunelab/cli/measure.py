"""``prunelab measure``: bytes by format and latency by batch size, of a packed file or of a saved session."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from prunelab import disk, errors, models, sparse
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.cli.output import check_writable, written
from prunelab.errors import DataError, SessionError
from prunelab.formatting import compared, kilobytes, latency, layer_of
from prunelab.results.measurement import NETWORKS, Measurement
from prunelab.sessions.session import Session
from prunelab.sparse.measuring.file_sizes import distinct
from prunelab.sparse.measuring.measure import stream
from prunelab.views.speed import verdict

SAMPLES = 256  # to run the network on


def run(
    source: Path,
    *,
    batches: list[int],
    threads: list[int],
    csv: Path | None,
    as_json: bool,
    stdout: Console,
    stderr: Console,
) -> None:
    """Measure the network in ``source`` and show the result, as tables or JSON.

    csv: a file to write the figures to, too. Raises CommandError.
    """
    model, example = opened(source)
    if csv is not None:
        check_writable("--csv", csv)
    try:
        with stderr.status("measuring") as status:
            for measurement in stream(model, example, batches=batches, threads=threads or None):
                status.update(f"measuring {100 * measurement.progress:.0f} %")
    except sparse.MeasureError as error:
        raise CommandError(str(error), BAD_INPUT) from error
    if csv is not None:
        try:
            disk.write_atomically(csv, measurement.to_csv().encode())
        except OSError as error:
            raise CommandError(f"--csv {csv} cannot be written: {error.strerror or error}") from error
    with written(stdout, "" if csv is None else f"The figures are in {csv}."):
        if as_json:
            stdout.file.write(json.dumps({"prunelab_measurement": 1, **measurement.to_dict()}, indent=2) + "\n")
        else:
            _show(measurement, stdout)


def _show(measurement: Measurement, stdout: Console) -> None:
    stdout.print(_sizes(measurement))
    if measurement.latencies:
        stdout.print(_latencies(measurement))
    if measurement.kernels:
        stdout.print(_kernels(measurement))
    summary = f"{measurement.kept:,} of {measurement.total:,} connections. {measurement.machine}."
    stdout.print(summary, markup=False, highlight=False)
    for note in measurement.notes:
        stdout.print(f"note: {note}", markup=False, highlight=False, style="yellow")


def opened(source: Path) -> tuple[nn.Module, Tensor]:
    """(network, samples to run it on), from a packed file or the folder of a saved session. Raises CommandError."""
    try:
        if source.is_dir():
            session = Session.load(source)
            return session.model, session.data.test_x[:SAMPLES]
        tensors = sparse.load(source)
    except SessionError as error:
        raise CommandError(
            f"{source}: {error}; in Python: prunelab.sparse.measure(model, example)", BAD_INPUT
        ) from error
    except (sparse.PackedError, errors.StorageError, DataError) as error:
        raise CommandError(str(error), BAD_INPUT) from error
    recognised = models.recognised({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    if recognised is None:
        names = ", ".join(list(distinct(tensors))[:6])
        raise CommandError(
            f"{source} holds tensors ({names}, ...) of none of prunelab's own networks, and a file does not say how "
            "they are wired. In Python: sparse.measure(sparse.load(file, model), example)",
            BAD_INPUT,
        )
    model, shape = recognised
    model.load_state_dict(tensors)
    return model, torch.rand(SAMPLES, *shape, generator=torch.Generator().manual_seed(0))


def _sizes(measurement: Measurement) -> Table:
    dense = measurement.bytes("dense")
    table = Table(title="bytes")
    table.add_column("format")
    table.add_column("size", justify="right")
    table.add_column("against dense", justify="right")
    table.add_column("what it is", style="dim")
    for size in measurement.sizes:
        words = "" if size.format == "dense" else compared(size.bytes, dense)
        table.add_row(size.format, kilobytes(size.bytes), words, size.about)
    return table


def _latencies(measurement: Measurement) -> Table:
    names = [name for name in NETWORKS if any(x.network == name for x in measurement.latencies)]
    table = Table(title="time of a batch: median, and against dense")
    table.add_column("threads", justify="right")
    table.add_column("batch", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    for threads, batch in sorted({(x.threads, x.batch) for x in measurement.latencies}):
        cells = []
        for name in names:
            timing = measurement.latency(name, batch, threads)
            assert timing is not None
            words = "" if name == "dense" else f" · {verdict(measurement, name, batch, threads)}"
            cells.append(latency(timing.median) + words)
        table.add_row(str(threads), str(batch), *cells)
    return table


def _kernels(measurement: Measurement) -> Table:
    """What each layer of the converted network is computed by, and why; batch sizes with the same answer in one row."""
    rows: dict[tuple[int, str, str, str], list[int]] = {}
    for x in measurement.kernels:
        rows.setdefault((x.threads, layer_of(x.layer), x.kernel, x.why), []).append(x.batch)
    table = Table(title="kernels of the converted network")
    table.add_column("threads", justify="right")
    for name in ("layer", "batch", "kernel", "why"):
        table.add_column(name)
    for (threads, layer, kernel, why), batches in rows.items():
        table.add_row(str(threads), layer, ", ".join(map(str, batches)), kernel, why)
    return table
