import cv2
import numpy as np
import pytest

from eval.contenders.base import Ours
from eval.contenders.names import known_contenders, make_contender
from eval.contenders.peers import OPENCV, load_peers, make_peer
from tracker import SourceError, Tracker

MODULE = """
class Peer:
    def init(self, frame, box): self.box = box
    def update(self, frame): return self.box, None

def make(name, threads):
    return {"still": Peer}[name]()
"""


def scene(x: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 50, (120, 160, 3), dtype=np.uint8)
    cv2.circle(noise, (x + 15, 60), 14, (40, 200, 240), -1)
    cv2.circle(noise, (x + 15, 60), 6, (200, 30, 30), -1)
    return noise


@pytest.mark.parametrize("name", ["kcf", "kcf-no-threshold", "csrt", "mosse"])
def test_opencvs_trackers_follow_a_slow_target(name):
    peer = OPENCV[name]()
    peer.init(scene(40), (40.0, 45.0, 30.0, 30.0))
    for step in range(1, 9):
        x, y, w, h = peer.update(scene(40 + 2 * step)).box
    assert abs(x - 56) < 5 and abs(y - 45) < 5


def test_a_module_of_peers_is_driven_by_its_make(tmp_path):
    (tmp_path / "peers.py").write_text(MODULE)
    peer = make_peer("still", load_peers(tmp_path / "peers.py"))
    peer.init(scene(40), (1, 2, 3, 4))
    answer = peer.update(scene(40))
    assert answer.box == (1.0, 2.0, 3.0, 4.0) and np.isnan(answer.score)


def test_wrong_peers_are_named(tmp_path):
    (tmp_path / "peers.py").write_text(MODULE)
    with pytest.raises(SourceError, match="expected one of kcf"):
        make_peer("siamfc", None)
    with pytest.raises(SourceError, match="cannot make 'siamfc'"):
        make_peer("siamfc", load_peers(tmp_path / "peers.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(SourceError, match="has no make"):
        load_peers(tmp_path / "empty.py")
    with pytest.raises(SourceError, match="cannot read"):
        load_peers(tmp_path / "none.py")


def test_names_of_contenders():
    tracker = Tracker.load()
    assert {"default", "full", "depth:1", "random depth", "csrt", "static"} <= set(known_contenders(tracker))
    ours = make_contender("0.1GMAC", tracker)
    assert isinstance(ours, Ours) and ours.budget == "0.1GMAC"
    assert make_contender("default", tracker).budget is None
