"""The published hashes in bulk: one by one as CellSpec does them, and all against the pack's digest."""

import hashlib

import numpy as np
import pytest

from models.nas.hashes import digests
from models.nas.space import enumerate_space


def test_they_are_those_of_single_cells():
    space = enumerate_space()
    for start in (0, 90, 2_000, 60_000, 420_000):
        found = digests(space, start, start + 20)
        assert [row.tobytes().hex() for row in found] == [space[start + i].hash() for i in range(20)]


@pytest.mark.slow
def test_all_are_the_published_ones():
    found = digests(enumerate_space())
    assert len(np.unique(found, axis=0)) == 423_624
    assert (
        hashlib.sha256(found.tobytes()).hexdigest()
        == "1f4a7db984f8bb44da50e51b6c7e830bd26a761a39d60997ef500b7610ef0449"
    )
