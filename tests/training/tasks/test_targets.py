import torch

from training.tasks.targets import make_targets


def test_ellipses_of_a_quarter_and_half_the_box():
    # 96×64 px centred on cell (8, 8): radii 1.5 × 1 strides positive, 3 × 2 negative outside
    targets = make_targets(torch.tensor([[80.0, 96.0, 176.0, 160.0]]), torch.tensor([True]))
    positive = {tuple(c) for c in targets.positive[0].nonzero().tolist()}
    assert positive == {(8, 7), (8, 8), (8, 9)}
    brute = sum(((x - 8) / 3) ** 2 + ((y - 8) / 2) ** 2 >= 1 for x in range(16) for y in range(16))
    assert int(targets.negative.sum()) == brute
    assert targets.box.tolist() == [[5.0, 6.0, 11.0, 10.0]]


def test_a_tiny_target_keeps_a_positive_cell():
    targets = make_targets(torch.tensor([[126.0, 126.0, 132.0, 132.0]]), torch.tensor([True]))
    assert int(targets.positive.sum()) >= 1


def test_an_absent_target_makes_every_cell_negative():
    targets = make_targets(torch.tensor([[80.0, 96.0, 176.0, 160.0]]), torch.tensor([False]))
    assert targets.positive.sum() == 0
    assert targets.negative.sum() == 256
