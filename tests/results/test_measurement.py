"""What was measured, as rows, CSV and a table of pandas."""

import csv
import io
import sys
from types import SimpleNamespace

import pytest

from prunelab.hardware import Machine
from prunelab.results.measurement import Latency, Measurement, Size

MEASURED = Measurement(
    Machine("processor", 2, "system", "2.13"),
    kept=10,
    total=100,
    sizes=(Size("dense", 400, "every weight"), Size("packed", 60, "survivors")),
    latencies=(Latency("dense", 1, 2, 3e-6, 2e-6, 4e-6, 1e-6),),
)


def test_a_row_for_every_size_and_latency_and_the_same_in_csv():
    rows = MEASURED.rows()
    assert [(row["what"], row["name"], row["value"], row["unit"]) for row in rows] == [
        ("size", "dense", 400, "bytes"),
        ("size", "packed", 60, "bytes"),
        ("latency", "dense", 3e-6, "s"),
    ]
    read = list(csv.DictReader(io.StringIO(MEASURED.to_csv())))
    assert [{k: v for k, v in row.items() if v} for row in read] == [
        {k: str(v) for k, v in row.items() if v is not None} for row in rows
    ]


def test_a_table_of_pandas_is_made_of_the_rows_and_its_absence_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows: ("table", rows)))
    assert MEASURED.to_dataframe() == ("table", MEASURED.rows())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        MEASURED.to_dataframe()
