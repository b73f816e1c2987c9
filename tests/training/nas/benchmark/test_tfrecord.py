"""A file in the true format, its protobuf written byte by byte."""

import base64
import json
import struct

import numpy as np
import pytest

from models.cell_spec import CONV1X1, CONV3X3, CellSpec
from models.nas.space import enumerate_space
from training.nas.benchmark import tfrecord as room
from training.nas.benchmark.table import TableError
from training.nas.benchmark.tfrecord import open_tfrecord, read_tfrecord

CELLS = (
    CellSpec.from_edges((CONV3X3,), {(0, 1), (1, 2)}),
    CellSpec.from_edges((CONV1X1, CONV3X3), {(0, 1), (0, 2), (1, 3), (2, 3)}),
)


def evaluation(epoch: float, seconds: float, accuracy: float) -> bytes:
    """EvaluationData: doubles at fields 1 to 5, wire type 1."""
    values = (epoch, seconds, 0.99, accuracy, accuracy - 0.01)
    body = b"".join(bytes([k << 3 | 1]) + struct.pack("<d", v) for k, v in enumerate(values, start=1))
    return b"\x0a" + bytes([len(body)]) + body


def record(cell: CellSpec, epochs: int, seconds: float, accuracy: float) -> bytes:
    metrics = evaluation(0.0, 1.0, 0.1) + evaluation(epochs / 2, seconds / 2, 0.5)
    metrics += (
        evaluation(epochs, seconds, accuracy) + b"\x10\x80\x08" + b"\x19" + struct.pack("<d", seconds + 9)
    )
    v = cell.vertices
    matrix = "".join(str(int((i, j) in cell.edges)) for i in range(v) for j in range(v))
    fields = [cell.hash(), epochs, matrix, ",".join(("input", *cell.ops, "output"))]
    payload = json.dumps([*fields, base64.b64encode(metrics).decode()]).encode()
    return struct.pack("<Q", len(payload)) + b"crc1" + payload + b"crc2"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "nasbench_full.tfrecord"
    parts = []
    for c, cell in enumerate(CELLS):
        for epochs in (4, 12, 36, 108):
            for repeat in range(3):
                parts.append(
                    record(cell, epochs, 10.0 * epochs + repeat, 0.5 + epochs / 1000 + c / 10 + repeat / 100)
                )
    path.write_bytes(b"".join(parts))
    return path


def test_repeats_and_means(file):
    table = read_tfrecord(file)
    assert len(table) == 2
    got = table.peek(CELLS[1], 108)
    assert got.accuracy == pytest.approx(0.5 + 0.108 + 0.1 + 0.01)
    assert (got.kind, got.seconds) == ("mean of 3 repeats", pytest.approx(1081.0))
    repeats = table.repeats(CELLS[0], 4)
    assert sorted(reached for reached, _ in repeats) == pytest.approx([0.504, 0.514, 0.524])
    assert [seconds for _, seconds in repeats] == pytest.approx([41.0] * 3, abs=1)


def test_rows_are_those_of_the_space(file):
    space = enumerate_space()
    assert read_tfrecord(file).rows.tolist() == sorted(space.index(c) for c in CELLS)


@pytest.mark.parametrize("cut", [5, 40, -3])
def test_a_cut_file_is_named(file, cut):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(TableError, match="cut or no TFRecord"):
        read_tfrecord(file)


def test_a_file_of_something_else_is_named(tmp_path):
    (tmp_path / "x").write_bytes(b"something else entirely, and long enough for a header")
    with pytest.raises(TableError, match="cut or no TFRecord"):
        read_tfrecord(tmp_path / "x")
    with pytest.raises(TableError, match="cannot be read"):
        read_tfrecord(tmp_path / "none")
    payload = b'["hash", 4]'
    (tmp_path / "y").write_bytes(struct.pack("<Q", len(payload)) + b"crc1" + payload + b"crc2")
    with pytest.raises(TableError, match="a record that cannot be read"):
        read_tfrecord(tmp_path / "y")


def test_a_file_is_read_once_and_then_memory_mapped(file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = open_tfrecord(file)
    monkeypatch.setattr(room, "read_tfrecord", None)
    again = open_tfrecord(file)
    for cell in CELLS:
        assert again.peek(cell) == first.peek(cell) == read_tfrecord(file).peek(cell)
    assert isinstance(again.accuracy.base, np.memmap)
    file.write_bytes(file.read_bytes()[:-3])
    monkeypatch.setattr(room, "read_tfrecord", read_tfrecord)
    with pytest.raises(TableError, match="cut or no TFRecord"):
        open_tfrecord(file)
    with pytest.raises(TableError, match="is not a file"):
        open_tfrecord(tmp_path / "none.tfrecord")
