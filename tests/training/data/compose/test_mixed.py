import numpy as np
import pytest

from training.data.compose.mixed import MixedStream


class Constant:
    """Says its name; draws nothing."""

    def __init__(self, name):
        self.name = name

    def sample(self, index):
        return self.name, index

    def describe(self, index):
        return f"{self.name} {index}"


def test_each_sample_of_a_mixture_decides_by_itself():
    mixed = MixedStream((Constant("a"), Constant("b")), (0.8, 0.2), 3, "exits")
    drawn = [mixed.sample(i) for i in range(2000)]
    assert [i for _, i in drawn] == list(range(2000))
    assert np.mean([name == "b" for name, _ in drawn]) == pytest.approx(0.2, abs=0.03)
    assert mixed.sample(1234) == drawn[1234] and mixed.describe(7) == f"{drawn[7][0]} 7"
    other = MixedStream((Constant("a"), Constant("b")), (0.8, 0.2), 4, "exits")
    assert [other.sample(i)[0] for i in range(50)] != [name for name, _ in drawn[:50]]
