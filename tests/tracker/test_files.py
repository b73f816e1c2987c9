"""A result is the earlier or the new one, never a piece of either."""

import os
import stat

import pytest

from tracker import files


def test_a_new_file_replaces_the_earlier_one_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    files.write_json(path, {"b": [2]})
    assert path.read_text() == '{\n "b": [\n  2\n ]\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_error_while_writing_keeps_the_earlier_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with pytest.raises(OSError, match="disk full"), files.replacing(path) as part:
        part.write_text("hal")
        raise OSError("disk full")
    assert path.read_text() == "earlier" and os.listdir(tmp_path) == ["a.txt"]


def test_nothing_is_renamed_before_it_is_on_the_disk(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append(stat.S_ISDIR(os.fstat(fd).st_mode)), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), replace(a, b)))
    files.write_bytes(tmp_path / "a", b"x")
    assert order == [False, "rename", True]


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path):
    (tmp_path / "real.txt").write_text("earlier")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    files.write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    files.write_text(tmp_path / "pipe", "said")
    assert os.read(reader, 9) == b"said"
    os.close(reader)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model.tag"
    folder.mkdir()
    (folder / "a.onnx").write_text("earlier")
    (folder / "notes.txt").write_text("the user's")
    return folder


def test_a_folder_is_replaced_and_the_users_files_stay(folder):
    with files.replacing_folder(folder) as part:
        (part / "a.onnx").write_text("new")
        assert (folder / "a.onnx").read_text() == "earlier"
    assert {f.name: f.read_text() for f in folder.iterdir()} == {"a.onnx": "new", "notes.txt": "the user's"}
    assert os.listdir(folder.parent) == ["model.tag"]


def test_an_error_keeps_the_earlier_folder(folder):
    with pytest.raises(ValueError, match="a fault"), files.replacing_folder(folder) as part:
        (part / "a.onnx").write_text("new")
        raise ValueError("a fault")
    assert (folder / "a.onnx").read_text() == "earlier"
    assert os.listdir(folder.parent) == ["model.tag"]


@pytest.mark.parametrize("renames", [0, 1, 2, 3])
def test_a_kill_after_any_rename_is_mended_by_the_next_call(folder, monkeypatch, renames):
    left, replace = [renames], os.replace

    class KilledError(BaseException):
        pass

    def until_killed(source, target):
        if not left[0]:
            raise KilledError
        left[0] -= 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", until_killed)
    try:
        with files.replacing_folder(folder) as part:
            (part / "a.onnx").write_text("new")
    except KilledError:
        pass
    monkeypatch.setattr(os, "replace", replace)
    with files.replacing_folder(folder) as part:
        (part / "a.onnx").write_text("newest")
    assert {f.name: f.read_text() for f in folder.iterdir()} == {
        "a.onnx": "newest",
        "notes.txt": "the user's",
    }
    assert os.listdir(folder.parent) == ["model.tag"]
