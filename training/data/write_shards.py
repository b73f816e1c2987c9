"""Write the packs, or any rows of pictures, as JPEG tar shards.

    python -m training.data.write_shards --data ../shared/data --out shards

training/data/shards.py reads them.
"""

import argparse
import io
import sys
import tarfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import SourceError, TrackerError
from tracker.files import write_json
from tracker.template import mean_colour
from training.data.jpeg_tiles import encode
from training.data.layouts.find import training_rows
from training.data.shards import INDEX, LAYOUT, TABLE, open_shards
from training.data.store import ItemColumns, Row

SHARD_BYTES = 256 * 2**20
QUALITY = 90


def write_shards(
    rows: Iterable[Row],
    folder: Path,
    digest: str,
    quality: int = QUALITY,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write rows as tars of about shard_bytes; the table comes last, so a broken run leaves none.

    Args:
        rows: those of one picture follow each other and share its `image` object.
        digest: names the source in logs and checkpoints.
        quality: of the JPEGs, 1 to 100.

    Raises:
        SourceError: there are no rows, or a pack cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).unlink(missing_ok=True)
    items, owner, last = ItemColumns(), [], None
    with closing(_TarWriter(folder, shard_bytes)) as writer:
        for row in rows:
            if row.image is not last:
                last = row.image
                writer.add(encode(row.image, quality), mean_colour(row.image))
            owner.append(len(writer.places) - 1)
            items.add(row)
    if not writer.places:
        raise SourceError(f"shards {folder}: there is no picture to write")
    shard, start, size, fill = zip(*writer.places, strict=True)
    np.savez(
        folder / INDEX,
        shard=np.asarray(shard, np.int32),
        start=np.asarray(start, np.int64),
        size=np.asarray(size, np.int32),
        fill=np.asarray(fill, np.uint8),
        picture=np.asarray(owner, np.int32),
        **items.arrays(),
    )
    table = {"layout": LAYOUT, "digest": digest, "quality": quality, "shards": writer.sizes()}
    write_json(folder / TABLE, table)


class _TarWriter:
    """Appends pictures, and begins a new tar when one is full.

    `places` has (shard, start, size, fill) of every picture.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self._folder, self._shard_bytes = folder, shard_bytes
        self._tars: list[tarfile.TarFile] = []
        self.places: list[tuple[int, int, int, tuple[int, int, int]]] = []

    def add(self, data: bytes, fill: tuple[int, int, int]) -> None:
        if not self._tars or self._tars[-1].offset >= self._shard_bytes:
            self.close()
            name = self._folder / f"shard-{len(self._tars):05d}.tar"
            self._tars.append(tarfile.TarFile(name, "w", format=tarfile.USTAR_FORMAT))
        member = tarfile.TarInfo(f"{len(self.places):08d}.jpg")
        member.size = len(data)
        start = self._tars[-1].offset + tarfile.BLOCKSIZE
        self._tars[-1].addfile(member, io.BytesIO(data))
        self.places.append((len(self._tars) - 1, start, len(data), fill))

    def close(self) -> None:
        if self._tars:
            self._tars[-1].close()

    def sizes(self) -> list[dict[str, Any]]:
        paths = [Path(str(tar.name)) for tar in self._tars]
        return [{"file": path.name, "bytes": path.stat().st_size} for path in paths]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(
        "python -m training.data.write_shards", description="Write the packs as JPEG shards."
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder of the packs, or of data sets in their owners' layouts",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--quality", type=int, default=QUALITY, choices=range(1, 101), metavar="1..100")
    options = parser.parse_args(arguments)
    try:
        rows, digest = training_rows(options.data)
        write_shards(rows, options.out, digest, options.quality)
        store = open_shards(options.out)
    except TrackerError as error:
        print(f"depthgate: error: {error}", file=sys.stderr)
        return 2
    print(
        f"{len(store.picture)} items of {len(store.size)} pictures "
        f"in {len(store.files)} shards: {options.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
