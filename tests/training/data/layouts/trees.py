"""Small trees in the formats that the owners publish; every target is a bright square on dark ground."""

import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 200, 120


def write_picture(path: Path, *boxes: tuple[float, float, float, float], scale: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((HEIGHT * scale, WIDTH * scale, 3), 40, np.uint8)
    for x, y, w, h in boxes:
        picture[int(y) : int(y + h), int(x) : int(x + w)] = 220
    cv2.imwrite(str(path), picture)


def box_at(i: int) -> tuple[int, int, int, int]:
    """Of frame i."""
    return 20 + 5 * i, 30 + 2 * i, 40, 24


def lines(path: Path, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def got10k(root: Path) -> Path:
    """Two sequences of five frames; the target is absent from the third."""
    names = ["GOT-10k_Train_000001", "GOT-10k_Train_000002"]
    for name, label in zip(names, ("sea slug", "bicycle"), strict=True):
        folder = root / "train" / name
        for i in range(5):
            write_picture(folder / f"{i + 1:08}.jpg", box_at(i))
        lines(folder / "groundtruth.txt", [",".join(f"{v:.4f}" for v in box_at(i)) for i in range(5)])
        lines(folder / "absence.label", ["0", "0", "1", "0", "0"])
        lines(folder / "cover.label", ["8", "8", "0", "8", "8"])
        meta = ["[METAINFO]", "url: https://youtu.be/b0ZnfLI8YPw", f"object_class: {label}", "anno_fps: 10Hz"]
        lines(folder / "meta_info.ini", meta)
    lines(root / "train/list.txt", names)
    return root


def lasot(root: Path) -> Path:
    """airplane-1 trains, airplane-2 tests; one frame occluded, one out of view."""
    for name in ("airplane-1", "airplane-2"):
        folder = root / "airplane" / name
        for i in range(6):
            write_picture(folder / "img" / f"{i + 1:08}.jpg", box_at(i))
        lines(folder / "groundtruth.txt", [",".join(str(v) for v in box_at(i)) for i in range(6)])
        (folder / "full_occlusion.txt").write_text("0,1,0,0,0,0")
        (folder / "out_of_view.txt").write_text("0,0,0,1,0,0")
        lines(folder / "nlp.txt", ["white airplane in the sky"])
    lines(root / "testing_set.txt", ["airplane-2"])
    return root


def trackingnet(root: Path) -> Path:
    """Twelve frames, counted from 0 without leading zeros; a second chunk is still zipped."""
    for i in range(12):
        write_picture(root / "TRAIN_0/frames/0-6LB4FqxoE_0" / f"{i}.jpg", box_at(i))
    boxes = [",".join(f"{v:.2f}" for v in box_at(i)) for i in range(12)]
    lines(root / "TRAIN_0/anno/0-6LB4FqxoE_0.txt", boxes)
    lines(root / "TRAIN_1/anno/zipped_0.txt", boxes)
    lines(root / "TEST/anno/hidden_0.txt", boxes[:1])
    return root


def vid_xml(objects: list[tuple[int, str, tuple[int, int, int, int]]]) -> str:
    nodes = "".join(
        f"<object><trackid>{track}</trackid><name>{label}</name>"
        f"<bndbox><xmax>{x + w}</xmax><xmin>{x}</xmin><ymax>{y + h}</ymax><ymin>{y}</ymin></bndbox>"
        f"<occluded>0</occluded><generated>0</generated></object>"
        for track, label, (x, y, w, h) in objects
    )
    return f"<annotation><folder>f</folder><size><width>200</width></size>{nodes}</annotation>"


def imagenet_vid(root: Path) -> Path:
    """Four frames of two objects; the second leaves after two, nothing is in the last."""
    part = "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"
    for i in range(4):
        objects = [(0, "n02691156", box_at(i)), (1, "n02084071", (120, 60, 30, 30))][: (2, 2, 1, 0)[i]]
        write_picture(root / "Data/VID/train" / part / f"{i:06}.JPEG", *(box for _, _, box in objects))
        annotation = root / "Annotations/VID/train" / part / f"{i:06}.xml"
        annotation.parent.mkdir(parents=True, exist_ok=True)
        annotation.write_text(vid_xml(objects))
    return root


def coco(root: Path) -> Path:
    """Two pictures, the second four times as wide; a crowd and a small object are left out."""
    write_picture(root / "train2017/000000000009.jpg", (10, 20, 60, 40), (100, 50, 30, 50))
    write_picture(root / "train2017/000000000025.jpg", (100, 80, 200, 160), scale=4)
    objects = [
        (9, [10.0, 20.0, 60.0, 40.0], 3, 0),
        (9, [100.0, 50.0, 30.0, 50.0], 18, 0),
        (9, [0.0, 0.0, 100.0, 100.0], 3, 1),
        (9, [5.0, 5.0, 8.0, 30.0], 3, 0),
        (25, [100.0, 80.0, 200.0, 160.0], 18, 0),
    ]
    document = {
        "images": [{"id": k, "file_name": f"{k:012}.jpg", "width": 200, "height": 120} for k in (9, 25)],
        "annotations": [
            {"id": n, "image_id": k, "bbox": box, "category_id": label, "iscrowd": crowd, "area": 1.0}
            for n, (k, box, label, crowd) in enumerate(objects)
        ],
        "categories": [{"id": 3, "name": "car"}, {"id": 18, "name": "dog"}],
    }
    lines(root / "annotations/instances_train2017.json", [json.dumps(document)])
    return root


TREES = {
    "GOT-10k": got10k,
    "LaSOT": lasot,
    "TrackingNet": trackingnet,
    "ImageNet VID": imagenet_vid,
    "COCO": coco,
}
