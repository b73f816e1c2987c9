"""Labels and axes of figures, as they are drawn."""

from matplotlib.figure import Figure
from matplotlib.text import Text

from eval.results.figures import bench_figure, label_points, write_scatter
from eval.results.tables import sweep_table


def test_names_of_crowded_points_do_not_cover_each_other():
    axes = Figure((6, 4)).subplots()
    points = {f"name {k}": (1 + k * 0.001, 0.5 + k * 0.001) for k in range(6)}
    axes.plot(*zip(*points.values(), strict=True), "o")
    axes.set(xlim=(0, 2), ylim=(0, 1))
    label_points(axes, points)
    axes.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert [t.get_text() for t in axes.texts] == sorted(points, reverse=True)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_names_stay_inside_the_axes_and_off_lines():
    axes = Figure((6, 4)).subplots()
    points = {"at the left edge": (0, 0.5), "at the right edge": (2, 0.5), "on the line": (1, 0.5)}
    axes.plot([0, 1, 2], [0.5, 0.5, 0.5], "-")
    axes.set(xlim=(0, 2), ylim=(0, 1))
    label_points(axes, points)
    around = axes.get_window_extent()
    for text in axes.texts:
        box = text.get_window_extent()
        assert around.x0 <= box.x0 and box.x1 <= around.x1
        middle = axes.transData.transform((1, 0.5))[1]
        assert not box.y0 <= middle <= box.y1


def test_milliseconds_are_written_as_they_are_said(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **how: (figures.append(self), path.touch()))
    rows = {name: {"mean": ms, "auc": 0.5} for name, ms in (("a", 0.9), ("b", 2.2), ("c", 24.0))}
    bench_figure({"ms": rows}, tmp_path / "x.png")
    figures[0].draw_without_rendering()
    axis = figures[0].axes[0].xaxis
    said = {label.get_text() for label in axis.get_ticklabels()}
    assert {"1", "2", "5", "10", "20"} <= said
    assert not any(label.get_text() for label in axis.get_ticklabels(minor=True))


def test_a_sweep_whose_times_are_of_another_run_still_has_a_table_and_a_figure(tmp_path):
    point = {"kind": "budget", "auc": 0.6, "ms": None, "mmac": 50.0, "mean_depth": 1.5}
    points = {"default": point, "full": {**point, "kind": "depth", "ms": 2.0}}
    document = {"folder": "dev", "points": points}
    assert sweep_table(document).splitlines()[-1] == "| default | 0.600 | – | 50 | 1.50 |"
    write_scatter(document, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000
