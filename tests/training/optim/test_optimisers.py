import pytest
import torch
from torch import nn

from training.optim.lamb import Lamb
from training.optim.lars import Lars
from training.optim.optimisers import make_optimiser, set_step, weight_decay_of
from training.recipe.checks import OPTIMISERS
from training.schedule.plan import StepPlan


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_name_lowers_a_loss_and_takes_rate_and_momentum(name):
    net = network()
    optimiser = make_optimiser(name, net, StepPlan(0.01, 8, 0.9), 1e-4)
    set_step(optimiser, StepPlan(0.5 if "lars" in name else 0.02, 8, 0.5))
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(300 if "lars" in name else 30):
        optimiser.zero_grad()
        loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    for group in optimiser.param_groups:
        assert group["lr"] in (0.5, 0.02) and (group.get("momentum") or group["betas"][0]) == 0.5


@pytest.mark.parametrize("name", OPTIMISERS)
def test_biases_and_norms_do_not_decay(name):
    optimiser = make_optimiser(name, network(), StepPlan(0.01, 8, 0.9), 1e-4)
    weights, others = optimiser.param_groups
    assert [p.shape for p in weights["params"]] == [(3, 4), (1, 3)] and weights["weight_decay"] == 1e-4
    assert len(others["params"]) == 4 and others["weight_decay"] == 0.0


@pytest.mark.parametrize("name, form", [("lars", "buffer"), ("lars_apply", "apply")])
def test_lars_skips_biases_and_norms(name, form):
    optimiser = make_optimiser(name, network(), StepPlan(0.01, 8, 0.9), 1e-4)
    assert isinstance(optimiser, Lars) and optimiser.form == form
    assert [group["adapt"] for group in optimiser.param_groups] == [True, False]


def test_lamb_skips_biases_and_norms_and_takes_betas_as_adamw_does():
    lamb, adamw = (
        make_optimiser(name, network(), StepPlan(0.01, 8, 0.8), 1e-4) for name in ("lamb", "adamw")
    )
    assert isinstance(lamb, Lamb)
    assert [group["adapt"] for group in lamb.param_groups] == [True, False]
    assert [group["betas"] for group in lamb.param_groups] == [group["betas"] for group in adamw.param_groups]


def test_nesterov_is_torchs():
    optimiser = make_optimiser("nesterov", network(), StepPlan(0.01, 8, 0.9), 0.0)
    assert all(group["nesterov"] for group in optimiser.param_groups)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_decay_that_is_added_to_the_gradient_is_weak_unless_told(name):
    assert weight_decay_of(name, None) == (0.02 if name in ("adamw", "lamb") else 1e-4)
    assert weight_decay_of(name, 0.0) == 0.0
