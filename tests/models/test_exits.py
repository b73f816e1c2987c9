import math

import numpy as np
import pytest
import scipy.stats
import torch

from models.exits import EMBEDDING, TEMPLATE_CELLS, Exit, statistics


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.fixture
def two_peaks() -> torch.Tensor:
    score = torch.full((1, 1, 16, 16), logit(0.01))
    score[0, 0, 4, 6] = logit(0.9)
    score[0, 0, 10, 14] = logit(0.6)
    score[0, 0, 4, 7] = logit(0.7)
    return score


def test_statistics_against_scipy(two_peaks):
    p = torch.sigmoid(two_peaks).flatten().numpy().astype(np.float64)
    got = statistics(two_peaks, 0.5)[0]
    kurtosis = scipy.stats.moment(p, 4) / (p.var() ** 2 + 1e-6)
    entropy = scipy.stats.entropy(p / p.sum()) / math.log(256)
    assert got[0] == pytest.approx(math.log(kurtosis + 1), rel=1e-3)
    assert got[1] == pytest.approx(entropy, rel=2e-3)
    assert got[2] == pytest.approx(p.mean(), rel=1e-5)
    assert got[4] == 0.5


def test_a_flat_map_has_finite_statistics_without_peaks_to_speak_of():
    got = statistics(torch.full((1, 1, 16, 16), -9.0), 1.0)[0]
    assert torch.isfinite(got).all()
    assert got[0] == pytest.approx(0, abs=1e-3) and got[3] == 0


def test_a_neighbour_of_a_peak_is_no_peak(two_peaks):
    got = statistics(two_peaks, 0.5)[0]
    assert got[3] == pytest.approx(0.3, abs=1e-6)
    assert got[5:7].tolist() == pytest.approx([0.9, 0.6], abs=1e-6)


def test_offsets_of_the_second_peak_are_in_map_widths_times_its_height(two_peaks):
    got = statistics(two_peaks, 0.5)[0]
    assert got[10] == pytest.approx(6 / 16 * 0.6, abs=1e-6)
    assert got[14] == pytest.approx(8 / 16 * 0.6, abs=1e-6)


def test_statistics_treat_each_sample_alone(two_peaks):
    both = torch.cat([two_peaks, two_peaks.flip(2)])
    assert torch.equal(statistics(both, 0.25)[:1], statistics(two_peaks, 0.25))


def test_each_sample_is_correlated_with_its_own_template():
    torch.manual_seed(0)
    exit_ = Exit(width=32, channels=16).eval()
    embedding, templates = torch.randn(2, EMBEDDING, 16, 16), torch.randn(2, TEMPLATE_CELLS + 1, EMBEDDING)
    score, ltrb = exit_(embedding, templates)
    for i in range(2):
        alone = exit_(embedding[i : i + 1], templates[i : i + 1])
        assert torch.allclose(score[i : i + 1], alone[0], atol=1e-5)
        assert torch.allclose(ltrb[i : i + 1], alone[1], atol=1e-5)
    assert (ltrb > 0).all()


def test_similarity_is_the_inner_product_of_cells():
    torch.manual_seed(0)
    exit_ = Exit(width=32, channels=16).eval()
    template = exit_.template(torch.randn(1, EMBEDDING, 8, 8))
    search = torch.randn(1, EMBEDDING, 16, 16)
    seen: list[torch.Tensor] = []
    exit_.fuse.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    exit_(search, template)
    cell, y, x = 21, 3, 9
    expected = torch.dot(template[0, cell], search[0, :, y, x]).detach()
    assert seen[0][0, cell, y, x].detach() == pytest.approx(float(expected), rel=1e-4)
