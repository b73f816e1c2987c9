"""The published files `nasbench_full.tfrecord` and `nasbench_only108.tfrecord` without TensorFlow.

Each record is JSON [hash, epochs, adjacency, operations, metrics]; metrics are
base64 of the protobuf ModelMetrics (google-research/nasbench,
model_metrics.proto). Every cell has three repeats at each number of epochs.
"""

import base64
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from rich.progress import Progress

from models.cell_spec import CellSpec
from models.nas.space import Space, enumerate_space
from tracker.cache import user_cache
from training.nas.benchmark.table import EPOCHS, Table, TableError

REPEATS = 3
KIND = "one of three repeats"
COLUMNS = ("rows", "accuracy", "seconds")
FIELDS = (
    "current_epoch",
    "training_time",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
)


def open_tfrecord(path: Path) -> Table:
    """Open the file's table, memory-mapped from the user's cache, where the first reading puts it.

    Raises:
        TableError: as read_tfrecord.
    """
    if not path.is_file():
        raise TableError(f"table: {path} is not a file")
    told = path.stat()
    folder = user_cache() / f"{path.stem}-{told.st_size}-{told.st_mtime_ns}"
    if not folder.is_dir():
        table = read_tfrecord(path)
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        part.mkdir(parents=True)
        for name in COLUMNS:
            np.save(part / f"{name}.npy", getattr(table, name))
        part.rename(folder)
    columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS}
    return Table(enumerate_space(), kinds=dict.fromkeys(EPOCHS, KIND), **columns)


def read_tfrecord(path: Path) -> Table:
    """All cells of the file that have three repeats at every number of epochs that it holds.

    Raises:
        TableError: the file is cut, is no such file, or holds a cell outside the space.
    """
    space = enumerate_space()
    accuracy: dict[int, np.ndarray] = {}
    seconds: dict[int, np.ndarray] = {}
    counts: dict[tuple[int, int], int] = {}
    metrics_type = _metrics_type()
    for payload in records(path):
        row, epochs, metrics = _parse(payload, space, metrics_type, path)
        e = EPOCHS.index(epochs)
        repeat = counts.get((row, e), 0)
        if repeat == REPEATS:
            raise TableError(f"table: {path} holds more than {REPEATS} repeats of cell {row}")
        counts[row, e] = repeat + 1
        final = metrics.evaluation_data[-1]
        for store, value in ((accuracy, final.validation_accuracy), (seconds, final.training_time)):
            store.setdefault(row, np.full((len(EPOCHS), REPEATS), np.nan))[e, repeat] = value
    if not accuracy:
        raise TableError(f"table: {path} holds no record")
    rows = np.array(sorted(accuracy), np.int64)
    return Table(
        space,
        rows,
        np.stack([accuracy[int(r)] for r in rows]),
        np.stack([seconds[int(r)] for r in rows]),
        dict.fromkeys(EPOCHS, KIND),
    )


def records(path: Path) -> Iterator[bytes]:
    """Yield the payloads of a TFRecord file (length, checksum, bytes, checksum); shows a bar.

    Raises:
        TableError: the file is missing, or ends within a record.
    """
    try:
        size = path.stat().st_size
        file = open(path, "rb")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        raise TableError(f"table: {path} cannot be read ({error.strerror})") from error
    with file, Progress(transient=True) as bar:
        task = bar.add_task(f"reading {path.name}", total=size)
        while head := file.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            payload = file.read(length + 4) if length <= size else b""
            if len(payload) < length + 4:
                raise TableError(f"table: {path} is cut or no TFRecord file, after {file.tell()} bytes")
            bar.advance(task, 16 + length)
            yield payload[:-4]


def _parse(payload: bytes, space: Space, metrics_type: Any, path: Path) -> tuple[int, int, Any]:
    """Row of the space, epochs, and the ModelMetrics of a record."""
    try:
        _, epochs, adjacency, operations, encoded = json.loads(payload)
        size = round(len(adjacency) ** 0.5)
        matrix = [[int(bit) for bit in adjacency[i * size : (i + 1) * size]] for i in range(size)]
        cell = CellSpec.from_matrix(matrix, operations.split(",")[1:-1])
        metrics = metrics_type()
        metrics.ParseFromString(base64.b64decode(encoded))
        EPOCHS.index(epochs)
        return space.index(cell), epochs, metrics
    except Exception as error:  # JSON, base64, protobuf and the space each raise their own
        raise TableError(f"table: {path} holds a record that cannot be read ({error})") from error


def _metrics_type() -> Any:
    """Build the message class of model_metrics.proto here, since no .proto is compiled."""
    file = descriptor_pb2.FileDescriptorProto(name="model_metrics.proto", package="nasbench", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    one, many, evaluated = field.LABEL_OPTIONAL, field.LABEL_REPEATED, ".nasbench.EvaluationData"
    evaluation = file.message_type.add(name="EvaluationData")
    for number, name in enumerate(FIELDS, start=1):
        evaluation.field.add(name=name, number=number, type=field.TYPE_DOUBLE, label=one)
    evaluation.field.add(name="checkpoint_path", number=6, type=field.TYPE_STRING, label=one)
    model = file.message_type.add(name="ModelMetrics")
    model.field.add(
        name="evaluation_data", number=1, type=field.TYPE_MESSAGE, label=many, type_name=evaluated
    )
    model.field.add(name="trainable_parameters", number=2, type=field.TYPE_INT32, label=one)
    model.field.add(name="total_time", number=3, type=field.TYPE_DOUBLE, label=one)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("nasbench.ModelMetrics"))
