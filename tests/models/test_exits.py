import math

import numpy as np
import pytest
import scipy.stats
import torch

from models.exits import EMBEDDING, TEMPLATE_CELLS, HeadSpec, Refine, make_exit, statistics


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


SPECS = [HeadSpec(16, branches=0), HeadSpec(16), HeadSpec(16, branches=2, layers=2)]
each_form = pytest.mark.parametrize("spec", SPECS, ids=["mixed", "lean", "wide"])


@each_form
def test_each_sample_is_correlated_with_its_own_template(spec):
    torch.manual_seed(0)
    exit_ = make_exit(32, spec).eval()
    embedding, templates = torch.randn(2, EMBEDDING, 16, 16), torch.randn(2, *spec.template_shape)
    score, ltrb = exit_(embedding, templates)
    for i in range(2):
        alone = exit_(embedding[i : i + 1], templates[i : i + 1])
        assert torch.allclose(score[i : i + 1], alone[0], atol=1e-5)
        assert torch.allclose(ltrb[i : i + 1], alone[1], atol=1e-5)
    assert (ltrb > 0).all()


@each_form
def test_a_template_has_the_shape_that_is_stated(spec):
    exit_ = make_exit(32, spec).eval()
    assert exit_.template(torch.randn(3, EMBEDDING, 8, 8)).shape == (3, *spec.template_shape)


@pytest.mark.parametrize("spec", SPECS[:2], ids=["mixed", "lean"])
def test_similarity_is_the_inner_product_of_cells(spec):
    torch.manual_seed(0)
    exit_ = make_exit(32, spec).eval()
    template = exit_.template(torch.randn(1, EMBEDDING, 8, 8))
    search = torch.randn(1, EMBEDDING, 16, 16)
    seen: list[torch.Tensor] = []
    fuse = exit_.fuse if spec.branches == 0 else exit_.correlations[0].fuse
    fuse.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    exit_(search, template)
    cell, y, x = 21, 3, 9
    expected = torch.dot(template[0, cell, :EMBEDDING], search[0, :, y, x])
    if spec.branches:
        expected = expected + template[0, cell, EMBEDDING]
    assert seen[0][0, cell, y, x].detach() == pytest.approx(float(expected.detach()), rel=1e-4)
    assert seen[0].shape[1] == TEMPLATE_CELLS + EMBEDDING


def test_refined_maps_against_a_loop_over_cells():
    torch.manual_seed(0)
    refine = Refine(4).eval()
    maps = torch.rand(1, 4, 5, 5) * 9
    got = refine(maps)
    weighed = refine.weigh(maps)[0]
    kernel, bias = refine.smooth.weight[:, 0], refine.smooth.bias
    for y, x in ((0, 0), (2, 3), (4, 4)):
        near = torch.zeros(4, 2, 2)
        for dy in (0, 1):
            for dx in (0, 1):
                if y - 1 + dy >= 0 and x - 1 + dx >= 0:
                    near[:, dy, dx] = weighed[:, y - 1 + dy, x - 1 + dx]
        smooth = ((near * kernel).sum((1, 2)) + bias).clamp(0, 6)
        expected = refine.spread.weight[:, :, 0, 0] @ smooth + refine.spread.bias
        assert torch.allclose(got[0, :, y, x], expected, atol=1e-5)
