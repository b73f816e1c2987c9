import pytest

from training.recipe.schema import Decay, Phase, Raised
from training.schedule.batch_growth import ceiling, grow, noise_scale, raise_start
from training.schedule.plan import make_plan, updates

CIFAR, IMAGENET = 50_000, 1_281_167


def wide_resnet(**changes):
    """Smith et al.: 200 epochs of CIFAR-10, factor 5 at 60, 120 and 160, B 128, rate 0.1, momentum 0.9."""
    values = {
        "samples": 200 * CIFAR,
        "batch": 128,
        "lr": 0.1,
        "decay": Decay("step", factor=0.2, at_samples=(60 * CIFAR, 120 * CIFAR, 160 * CIFAR)),
        "optimiser": "nesterov",
    }
    return Phase("exits", **(values | changes))


GROWN = {"growth": True, "max_batch": 5_120}


@pytest.mark.parametrize(
    "phase, count",
    [
        pytest.param(wide_resnet(), 78_125, id="decay the rate"),
        pytest.param(wide_resnet(**GROWN), 29_141, id="grow the batch"),
        pytest.param(wide_resnet(**GROWN, raised=Raised(5.0)), 6_406, id="rate 0.5, batch 640"),
        pytest.param(wide_resnet(**GROWN, raised=Raised(5.0, 0.98)), 2_305, id="and momentum 0.98"),
    ],
)
def test_updates_of_the_wide_resnet_equal_the_published_ones(phase, count):
    assert sum(1 for _ in updates(make_plan(phase, CIFAR))) == count


@pytest.mark.parametrize(
    "growth, count", [pytest.param(False, 14_075, id="decay"), pytest.param(True, 5_865, id="growth")]
)
def test_updates_of_imagenet_equal_the_published_ones(growth, count):
    """Inception-ResNet-V2: 90 epochs, factor 10 at 30, 60 and 80, B 8,192, rate 3."""
    phase = Phase(
        "exits",
        samples=90 * IMAGENET,
        batch=8_192,
        lr=3.0,
        decay=Decay("step", factor=0.1, at_samples=(30 * IMAGENET, 60 * IMAGENET, 80 * IMAGENET)),
        growth=growth,
        max_batch=65_536 if growth else None,
    )
    assert sum(1 for _ in updates(make_plan(phase, IMAGENET))) == pytest.approx(count, abs=1)


@pytest.mark.parametrize(
    "raised, starts",
    [
        pytest.param(Raised(), [(0.1, 128, 0.9), (0.1, 640, 0.9), (0.1, 3_200, 0.9), (0.032, 5_120, 0.9)]),
        pytest.param(
            Raised(5.0), [(0.5, 640, 0.9), (0.5, 3_200, 0.9), (0.16, 5_120, 0.9), (0.032, 5_120, 0.9)]
        ),
        pytest.param(
            Raised(5.0, 0.98),
            [(0.5, 3_200, 0.98), (0.16, 5_120, 0.98), (0.032, 5_120, 0.98), (0.0064, 5_120, 0.98)],
        ),
    ],
)
def test_rate_batch_and_momentum_at_each_step(raised, starts):
    plan = make_plan(wide_resnet(**GROWN, raised=raised), CIFAR)
    for at, (lr, batch, momentum) in zip((0, 60, 120, 160), starts, strict=True):
        step = plan(at * CIFAR)
        assert (step.lr, step.batch, step.momentum) == (pytest.approx(lr), batch, momentum)


@pytest.mark.parametrize(
    "factor, limit, unit, lr, batch",
    [
        pytest.param(1.0, 1_000, 8, 1.0, 32, id="no decay yet"),
        pytest.param(0.5, 1_000, 8, 1.0, 64, id="doubled"),
        pytest.param(0.2, 1_000, 1, 1.0, 160, id="a factor that is not exact in binary"),
        pytest.param(0.4, 1_000, 8, 1.0, 80, id="a multiple of the unit"),
        pytest.param(0.45, 1_000, 8, 0.9, 64, id="71.1 rounds down, the rate makes up: 0.45 · 64/32"),
        pytest.param(0.01, 1_000, 8, 0.3125, 1_000, id="ceiling: 0.01 · 1000/32"),
        pytest.param(0.01, 1_007, 8, 0.3125, 1_000, id="ceiling rounded down to the unit"),
        pytest.param(0.0, 1_000, 8, 0.0, 1_000, id="end of a cosine"),
        pytest.param(0.5, 16, 8, 0.5, 32, id="ceiling below the first batch: plain decay"),
    ],
)
def test_growth_keeps_rate_over_batch(factor, limit, unit, lr, batch):
    got = grow(1.0, 32, factor, limit, unit)
    assert got == (pytest.approx(lr), batch)
    assert got[0] / got[1] == pytest.approx(factor / 32, rel=1e-12)


def test_a_continuous_decay_grows_as_its_inverse():
    samples = 100_000
    values = {"samples": samples, "batch": 16, "lr": 0.4, "warmup_samples": 1_600, "micro_batch": 8}
    plan = make_plan(Phase("exits", **values, growth=True), 20_000)
    decayed = make_plan(Phase("exits", **values), 20_000)
    assert plan(0) == decayed(0) and plan(1_000) == decayed(1_000)
    for seen in range(1_600, samples, 997):
        grown, plain = plan(seen), decayed(seen)
        assert grown.batch % 8 == 0 and grown.batch <= 2_000 and grown.lr <= 0.4 * (1 + 1e-12)
        assert grown.lr / grown.batch == pytest.approx(plain.lr / 16, rel=1e-12)
    half = (1_600 + samples) // 2
    assert plan(half).batch == 32 and plan(half).lr == pytest.approx(0.4)
    assert plan(samples - 1).batch == 2_000  # a tenth of 20,000


def test_a_start_that_is_no_multiple_of_the_unit_keeps_the_noise():
    # 32 · 1.5 · (1 − 0.9)/(1 − 0.95) = 96, and 100 with a unit of 25 would be too much: 75
    assert raise_start(1.0, 32, 0.9, 1.5, 0.95, 1000, 1) == (pytest.approx(1.5), 96)
    assert raise_start(1.0, 32, 0.9, 1.5, 0.95, 1000, 25) == (pytest.approx(1.5 * 75 / 96), 75)


def test_a_raised_start_stops_at_the_ceiling_and_keeps_the_noise():
    assert raise_start(1.0, 32, 0.9, 1000.0, 0.9, 1000, 1) == (pytest.approx(1000 / 32), 1000)
    assert raise_start(1.0, 32, 0.9, 1000.0, 0.9, 1000, 24) == (pytest.approx(984 / 32), 984)
    assert raise_start(1.0, 32, 0.9, 1000.0, 0.9, 16, 1) == (pytest.approx(1.0), 32)
    raised = make_plan(
        Phase("exits", samples=10_000, batch=32, lr=0.1, growth=True, raised=Raised(1e6)), 5_000
    )
    assert (raised(0).batch, raised(0).lr) == (500, pytest.approx(0.1 * 500 / 32))


@pytest.mark.parametrize(
    "lr, batch, momentum, noise",
    [
        pytest.param(0.1, 128, 0.0, 38.9625, id="0.1 (50000/128 − 1)"),
        pytest.param(0.1, 128, 0.9, 389.625, id="ten times that"),
        pytest.param(0.5, 640, 0.9, 385.625, id="rate and batch times five: nearly the same"),
        pytest.param(0.1, 50_000, 0.0, 0.0, id="the whole data set has no noise"),
    ],
)
def test_noise_scale(lr, batch, momentum, noise):
    assert noise_scale(lr, batch, momentum, CIFAR) == pytest.approx(noise)


def test_the_ceiling_is_a_tenth():
    assert [ceiling(n) for n in (50_000, 13_179, 5)] == [5_000, 1_317, 1]
