import pytest
import torch
from torch import nn

from training.optim.lars import Lars, trust_ratio


def run(form, steps, decay=0.1, adapt=True):
    """w = (3, 4) under the constant gradient (0.6, 0.8), rate 2, momentum 0.9.

    All vectors are parallel, so the norm of w follows a recursion of scalars:
    ‖w‖ = 5, ‖g‖ = 1.
    """
    w = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    optimiser = Lars([{"params": [w], "adapt": adapt}], 2.0, 0.9, decay, form)
    for _ in range(steps):
        optimiser.zero_grad()
        w.grad = torch.tensor([0.6, 0.8], dtype=torch.float64)
        optimiser.step()
    return w.detach()


@pytest.mark.parametrize(
    "form, norms",
    [
        # trust 0.001·5/(1 + 0.1·5); v = trust·1.5 = 0.005; 5 − 2·0.005.
        # then v = 0.9·0.005 + 0.001·4.99 = 0.00949; 4.99 − 2·0.00949
        pytest.param("buffer", [4.99, 4.97102], id="ours: trust inside the buffer"),
        # g = 1.5; trust 0.001·5/(1.5 + 0.5) = 0.0025; v = 1.5; 5 − 2·0.0025·1.5.
        # then g = 1.49925, v = 2.84925, trust 0.0049925/1.9985; 4.9925 − 2·0.002498124·2.84925
        pytest.param("apply", [4.9925, 4.97826444], id="tf.contrib: trust on the buffer"),
    ],
)
def test_two_steps_equal_the_formula(form, norms):
    for steps, norm in enumerate(norms, 1):
        expected = norm * torch.tensor([0.6, 0.8], dtype=torch.float64)
        assert torch.allclose(run(form, steps), expected, atol=1e-8)


def test_the_rate_is_outside_the_buffer():
    """v = 0.00949 at the second step, as above; Algorithm 1 would move by 0.9 · 0.01 + 0.00499."""
    w = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    optimiser = Lars([w], 2.0, 0.9, 0.1)
    for rate in (2.0, 1.0):
        optimiser.param_groups[0]["lr"] = rate
        w.grad = torch.tensor([0.6, 0.8], dtype=torch.float64)
        optimiser.step()
    assert float(w.detach().norm()) == pytest.approx(4.99 - 0.00949, abs=1e-9)


def test_the_forms_agree_without_decay_on_the_first_step_only():
    assert torch.equal(run("buffer", 1, decay=0.0), run("apply", 1, decay=0.0))
    assert not torch.allclose(run("buffer", 2, decay=0.0), run("apply", 2, decay=0.0), rtol=0, atol=1e-7)


@pytest.mark.parametrize("form", ["buffer", "apply"])
def test_skipped_tensors_move_as_under_sgd(form):
    w = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    sgd = torch.optim.SGD([w], 2.0, 0.9, weight_decay=0.1)
    for _ in range(3):
        w.grad = torch.tensor([0.6, 0.8], dtype=torch.float64)
        sgd.step()
    assert torch.allclose(run(form, 3, adapt=False), w.detach(), atol=1e-12)


@pytest.mark.parametrize(
    "weight, gradient, trust",
    [
        pytest.param([3.0, 4.0], [0.6, 0.8], 0.005 / 1.5, id="0.001 · 5 / (1 + 0.1 · 5)"),
        pytest.param([0.0, 0.0], [0.6, 0.8], 1.0, id="weights of zero"),
        pytest.param([3.0, 4.0], [0.0, 0.0], 1.0, id="no gradient"),
        pytest.param([0.0, 0.0], [0.0, 0.0], 1.0, id="neither"),
    ],
)
def test_trust_ratio(weight, gradient, trust):
    assert trust_ratio(torch.tensor(weight), torch.tensor(gradient), 0.1).item() == pytest.approx(trust)


def test_a_step_does_not_depend_on_the_scale_of_the_gradient():
    moved = []
    for scale in (1.0, 1e3):
        w = nn.Parameter(torch.tensor([3.0, 4.0]))
        w.grad = scale * torch.tensor([0.8, -0.6])
        Lars([w], 1.0).step()
        moved.append(w.detach())
    assert torch.allclose(*moved)
