"""`app.py search …` on the command line: parse, call, print; each module is imported when its verb runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.arguments import numbers, positive

if TYPE_CHECKING:
    from training.nas.landscape import Landscape

HOME = Path(__file__).parent
OWN = HOME / "own.jsonl"
TABLE_HELP = "nasbench101.npz, or the published nasbench_full.tfrecord"


def add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """The verb `search` with its own verbs."""
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

    m = kinds.add_parser("measure", parents=[common], help="train cells ourselves, small, on CIFAR-10")
    m.add_argument("cells", help="rows with commas, or spread:N over the published accuracies of --table")
    m.add_argument("--table", type=Path, metavar="FILE", help=TABLE_HELP)
    m.add_argument("--repeats", type=positive, default=3)
    m.add_argument("--cifar", type=Path, required=True, metavar="DIR", help="the image pack's cifar10 folder")
    m.add_argument("--out", type=Path, default=OWN, metavar="FILE.jsonl", help="an interrupted run goes on")
    m.add_argument("--jobs", type=positive, default=2, help="side by side, a thread each (default 2)")
    m.set_defaults(run=_measure)

    f = kinds.add_parser("fit", parents=[common], help="fit the surrogate to the published table")
    f.add_argument("--table", type=Path, required=True, metavar="FILE.npz", help="the compact file")
    f.add_argument("--out", type=Path, metavar="FILE.safetensors", help="default: the shipped one")
    f.add_argument("--jobs", type=positive, default=2, help="side by side, a thread each (default 2)")
    f.set_defaults(run=_fit)


def _show(arguments: argparse.Namespace) -> int:
    from training.nas.show import show

    print(show(arguments.cell, arguments.table))
    return 0


def _landscape(table: Path | None) -> "tuple[Landscape, str]":
    """The benchmark, and in words what it is made of."""
    from training.nas.landscape import make_landscape
    from training.nas.surrogate import load_surrogate
    from training.nas.table import open_table

    if table is None:
        return make_landscape(load_surrogate()), "the shipped surrogate alone; no published table was given"
    published = open_table(table)
    source = f"{len(published):,} measured cells, the surrogate for the rest"
    return make_landscape(load_surrogate(), published), source


def _compare(arguments: argparse.Namespace) -> int:
    from eval.tables import rows_table
    from training.nas.compare import WITHOUT_MODEL, compare

    names = arguments.searchers.split(",") if arguments.searchers else list(WITHOUT_MODEL)
    light, heavy = (arguments.seeds, arguments.seconds), (arguments.model_seeds, arguments.model_seconds)
    landscape, source = _landscape(arguments.table)
    print(f"benchmark: {source}")
    wanted = {name: light if name in WITHOUT_MODEL else heavy for name in names}
    print(rows_table(compare(landscape, wanted, arguments.jobs, arguments.out, source)["table"]))
    return 0


def _analyse(arguments: argparse.Namespace) -> int:
    from eval.tables import rows_table
    from training.nas.analyse import analyse
    from training.nas.table import open_table

    landscape, _ = _landscape(arguments.table)
    print(rows_table(analyse(open_table(arguments.table), landscape, arguments.out)["table"]))
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    from training.nas.measure import measure, spread
    from training.nas.table import TableError, open_table

    text = arguments.cells
    if text.startswith("spread:"):
        if arguments.table is None:
            raise TableError("measure: spread:N needs --table, whose accuracies it spreads over")
        rows = spread(open_table(arguments.table), positive(text.removeprefix("spread:")))
    else:
        rows = numbers(text)
    lines = measure(rows, arguments.repeats, arguments.cifar, arguments.out, jobs=arguments.jobs)
    print(f"{len(lines)} trainings of {len({line['row'] for line in lines})} cells in {arguments.out}")
    return 0


def _fit(arguments: argparse.Namespace) -> int:
    from training.nas.surrogate import SHIPPED, fit_surrogate
    from training.nas.table import load_others, load_table, repeat_noise

    table, others = load_table(arguments.table), load_others(arguments.table)
    out = arguments.out or SHIPPED
    scores = fit_surrogate(table, others, repeat_noise(arguments.table), out, arguments.jobs)
    held_out = scores["held_out"]
    print(f"Spearman at 108 epochs, held out: {held_out['spearman']['108']:.4f}")
    print(f"within the true top tenth: {held_out['spearman_108_top_tenth']:.4f}")
    print(f"surrogate {out}")
    return 0
