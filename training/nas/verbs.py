"""`app.py search …` on the command line: parse, call, print; each module is imported when its verb runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from arguments import numbers, positive

if TYPE_CHECKING:
    from tracker.arrays import Floats, Ints
    from training.nas.benchmark.table import Table

HOME = Path(__file__).parent
OWN = HOME / "own.jsonl"
TABLE = HOME.parents[1] / "models" / "costs.json"
OWN_TRACKERS, OWN_DESIGNS = HOME / "own_trackers.jsonl", HOME / "own_designs.jsonl"
TABLE_HELP = "nasbench101.npz, or the published nasbench_full.tfrecord"


def add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Add the verb `search` with its own verbs."""
    p = verbs.add_parser(
        "search", parents=[common], help="NAS-Bench-101: the space, the table, the searchers"
    )
    kinds = p.add_subparsers(title="what", metavar="WHAT", required=True, parser_class=type(p))

    s = kinds.add_parser("show", parents=[common], help="what is known of a cell")
    s.add_argument("cell", help="row of the space, or the published md5 hash or its beginning")
    s.add_argument("--table", type=Path, metavar="FILE", help=TABLE_HELP)
    s.set_defaults(run=_show)

    c = kinds.add_parser("compare", parents=[common], help="searchers side by side, regret against seconds")
    c.add_argument("--table", type=Path, metavar="FILE", help=TABLE_HELP + "; without it the surrogate alone")
    c.add_argument("--out", type=Path, required=True, metavar="DIR", help="compare.json and compare.png")
    c.add_argument("--searchers", metavar="A,B,…", help="default: those that need no model")
    c.add_argument("--seeds", type=positive, default=100)
    c.add_argument("--seconds", type=float, default=1e7, help="simulated, a run (default 1e7)")
    c.add_argument("--model-seeds", type=positive, default=10, help="of tpe, smac, bohb, predictor")
    c.add_argument("--model-seconds", type=float, default=1e6, help="simulated, of the same (default 1e6)")
    c.add_argument("--jobs", type=positive, default=2, help="side by side (default 2)")
    c.set_defaults(run=_compare)

    a = kinds.add_parser("analyse", parents=[common], help="what the data set as a whole says")
    a.add_argument("--table", type=Path, required=True, metavar="FILE", help=TABLE_HELP)
    a.add_argument("--out", type=Path, required=True, metavar="DIR", help="analyse.json and analyse.png")
    a.set_defaults(run=_analyse)

    m = kinds.add_parser("measure", parents=[common], help="train cells ourselves, small")
    m.add_argument("cells", help="rows with commas, or spread:N over the published accuracies of --table")
    m.add_argument("--table", type=Path, metavar="FILE", help=TABLE_HELP)
    m.add_argument("--repeats", type=positive, default=3)
    m.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of the packs")
    m.add_argument("--out", type=Path, metavar="FILE.jsonl", help="an interrupted run goes on")
    m.add_argument("--jobs", type=positive, default=2, help="side by side, a thread each (default 2)")
    t = m.add_argument_group("as the first stage of a tracker instead of on CIFAR-10")
    t.add_argument("--tracker", action="store_true", help="train on pairs, taught; AO on video/val")
    t.add_argument("--scale", type=float, default=0.5, help="of the widths (default 0.5)")
    t.add_argument("--depth", type=positive, default=2, help="cells in the stage (default 2)")
    t.add_argument("--early", action="store_true", help="the first cell at stride 8")
    t.add_argument("--separable", action="store_true", help="every 3×3 depthwise and pointwise")
    t.add_argument("--squeeze", action="store_true", help="squeeze-excitation after every cell")
    m.set_defaults(run=_measure)

    g = kinds.add_parser("agree", parents=[common], help="whether our trainings rank cells as the table does")
    g.add_argument("--table", type=Path, required=True, metavar="FILE", help=TABLE_HELP)
    g.add_argument("--out", type=Path, required=True, metavar="DIR", help="agree.json, fit.json, agree.png")
    g.set_defaults(run=_agree)

    x = kinds.add_parser("select", parents=[common], help="backbones of the tracker by measured latency")
    x.add_argument("--budget", type=float, required=True, metavar="MS", help="of the four stages, one thread")
    x.add_argument("--table", type=Path, metavar="FILE", help=TABLE_HELP + "; without it the surrogate alone")
    x.add_argument("--evaluations", type=positive, default=300, help="designs to weigh (default 300)")
    x.add_argument("--fit", type=Path, metavar="fit.json", help="choose by what our trainings let expect")
    x.add_argument("--out", type=Path, required=True, metavar="DIR", help="select.json and select.png")
    x.set_defaults(run=_select)

    k = kinds.add_parser("costs", parents=[common], help="time the stages of a network of the registry")
    k.add_argument("network", help="its name; weights are at random")
    k.add_argument("--out", type=Path, default=TABLE, metavar="FILE", help="default: models/costs.json")
    k.set_defaults(run=_costs)

    f = kinds.add_parser("fit", parents=[common], help="fit the surrogate to the published table")
    f.add_argument("--table", type=Path, required=True, metavar="FILE.npz", help="the compact file")
    f.add_argument("--out", type=Path, metavar="FILE.safetensors", help="default: the shipped one")
    f.add_argument("--jobs", type=positive, default=2, help="side by side, a thread each (default 2)")
    f.set_defaults(run=_fit)


def _show(arguments: argparse.Namespace) -> int:
    from training.nas.benchmark.show import show

    print(show(arguments.cell, arguments.table))
    return 0


def _published(file: Path | None) -> "tuple[Table | None, str]":
    """Open the table, and say in words what is known of which cells."""
    from training.nas.benchmark.open import open_table

    if file is None:
        return None, "the shipped surrogate alone; no published table was given"
    table = open_table(file)
    return table, f"{len(table):,} measured cells, the surrogate for the rest"


def _accuracy(file: Path | None) -> "tuple[Floats, Ints, str]":
    """Accuracy of every cell after 108 epochs as it is best believed, the measured rows, and the source."""
    from training.nas.benchmark.landscape import believe
    from training.nas.benchmark.surrogate import load_surrogate
    from training.nas.benchmark.table import unlogged

    table, source = _published(file)
    belief = believe(load_surrogate(), table)
    return unlogged(belief.mean[:, -1]), belief.rows, source


def _compare(arguments: argparse.Namespace) -> int:
    from eval.results.tables import rows_table
    from training.nas.benchmark.landscape import make_landscape
    from training.nas.benchmark.surrogate import load_surrogate
    from training.nas.search.compare import WITHOUT_MODEL, compare

    names = arguments.searchers.split(",") if arguments.searchers else list(WITHOUT_MODEL)
    light, heavy = (arguments.seeds, arguments.seconds), (arguments.model_seeds, arguments.model_seconds)
    table, source = _published(arguments.table)
    print(f"benchmark: {source}")
    landscape = make_landscape(load_surrogate(), table)
    wanted = {name: light if name in WITHOUT_MODEL else heavy for name in names}
    print(rows_table(compare(landscape, wanted, arguments.jobs, arguments.out, source)["table"]))
    return 0


def _analyse(arguments: argparse.Namespace) -> int:
    from eval.results.tables import rows_table
    from training.nas.benchmark.landscape import make_landscape
    from training.nas.benchmark.open import open_table
    from training.nas.benchmark.surrogate import load_surrogate
    from training.nas.search.analyse import analyse

    table = open_table(arguments.table)
    landscape = make_landscape(load_surrogate(), table)
    print(rows_table(analyse(table, landscape, arguments.out)["table"]))
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    rows = _rows(arguments)
    if arguments.tracker:
        from training.nas.measure.tracked import measure_tracked
        from training.nas.search.design import Design

        depths = (arguments.depth,) * 4
        choices = {name: getattr(arguments, name) for name in ("scale", "early", "separable", "squeeze")}
        designs = [Design.of_row(row, depths=depths, **choices) for row in rows]
        out = arguments.out or OWN_TRACKERS
        lines = measure_tracked(designs, arguments.repeats, arguments.data, out, arguments.jobs)
    else:
        from training.nas.measure.on_cifar import measure

        out, cifar = arguments.out or OWN, arguments.data / "images/cifar10"
        lines = measure(rows, arguments.repeats, cifar, out, jobs=arguments.jobs)
    print(f"{len(lines)} trainings of {len({line['row'] for line in lines})} cells in {out}")
    return 0


def _rows(arguments: argparse.Namespace) -> list[int]:
    from training.nas.benchmark.open import open_table
    from training.nas.benchmark.table import TableError
    from training.nas.measure.on_cifar import spread

    if not arguments.cells.startswith("spread:"):
        return numbers(arguments.cells)
    if arguments.table is None:
        raise TableError("measure: spread:N needs --table, whose accuracies it spreads over")
    return spread(open_table(arguments.table), positive(arguments.cells.removeprefix("spread:")))


def _agree(arguments: argparse.Namespace) -> int:
    from eval.results.tables import rows_table
    from training.nas.measure.agree import agree

    accuracy, rows, source = _accuracy(arguments.table)
    print(f"accuracy of cells: {source}")
    print(rows_table(agree(accuracy, rows, OWN, OWN_TRACKERS, OWN_DESIGNS, arguments.out)["table"]))
    return 0


def _select(arguments: argparse.Namespace) -> int:
    import json

    from tracker.cache import user_cache
    from training.nas.benchmark.table import TableError
    from training.nas.select.latency import open_times
    from training.nas.select.select import (
        Merits,
        accuracy_and_features,
        document_of,
        expected,
        explore,
        write,
    )

    accuracy, _, source = _accuracy(arguments.table)
    print(f"accuracy of cells: {source}")
    merits: Merits = accuracy_and_features
    if arguments.fit is not None:
        try:
            merits = expected(json.loads(arguments.fit.read_text()), accuracy)
        except (OSError, ValueError, KeyError) as error:
            raise TableError(
                f"select: {arguments.fit} cannot be read ({error}); expected fit.json"
            ) from error
        source += "; expected loss by the fit to our trainings"
    times = open_times(user_cache() / "stage_times.json")
    weighed = explore(accuracy, times, arguments.budget, arguments.evaluations, merits)
    document = document_of(weighed, arguments.budget, source, times.host)
    write(document, weighed, arguments.out)
    print(
        f"{len(weighed)} designs weighed, {len(document['front'])} on the front: {arguments.out}/select.json"
    )
    return 0


def _costs(arguments: argparse.Namespace) -> int:
    import json

    from eval.results.store import write_json
    from tracker.errors import ModelError
    from training.nas.select.latency import measure_network

    try:
        entry = measure_network(arguments.network)
    except ValueError as error:
        raise ModelError(str(error)) from error
    known = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    write_json(arguments.out, {**known, arguments.network: entry})
    print(" ".join(f"{1e3 * s:.2f}" for s in entry["seconds"]), "ms a stage with its exit")
    return 0


def _fit(arguments: argparse.Namespace) -> int:
    from training.nas.benchmark.surrogate import SHIPPED, fit_surrogate
    from training.nas.benchmark.table import load_others, load_table, repeat_noise

    table, others = load_table(arguments.table), load_others(arguments.table)
    out = arguments.out or SHIPPED
    scores = fit_surrogate(table, others, repeat_noise(arguments.table), out, arguments.jobs)
    held_out = scores["held_out"]
    print(f"Spearman at 108 epochs, held out: {held_out['spearman']['108']:.4f}")
    print(f"within the true top tenth: {held_out['spearman_108_top_tenth']:.4f}")
    print(f"surrogate {out}")
    return 0
