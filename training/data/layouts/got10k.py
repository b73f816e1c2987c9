"""GOT-10k, training part: ROOT/train/list.txt, NAME/00000001.jpg …, groundtruth.txt, absence.label.

Source: got-10k.aitestunion.com; the object's class stands in meta_info.ini.
"""

from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from eval.data.sequences import read_sequences
from training.data.layouts.clips import Clip, Target, clip_rows, pictures_in
from training.data.store import ANNOTATED, Row


def index(root: Path) -> list[Path]:
    """Find the list of sequences; return none where `root` is something else."""
    found = root / "train/list.txt"
    return [found] if found.is_file() else []


def rows(root: Path) -> Iterator[Row]:
    """Frames of every listed sequence, without those whose target is absent."""
    for sequence in read_sequences(root / "train"):
        about = ConfigParser()
        about.read(sequence.video / "meta_info.ini")
        group = about.get("METAINFO", "object_class", fallback=sequence.name)
        target = Target(f"got10k:{sequence.name}", sequence.boxes, f"got10k:{group}")
        yield from clip_rows(Clip(pictures_in(sequence.video), [target], ANNOTATED))
