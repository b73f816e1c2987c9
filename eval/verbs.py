"""`app.py eval …` and `app.py bench` on the command line; each module is imported when its verb runs."""

import argparse
from pathlib import Path
from typing import TypeAlias

from arguments import numbers, positive

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb `eval` with its own verbs, and `bench`."""
    _add_eval(verbs, common)
    _add_bench(verbs, common)


def _add_eval(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    p = verbs.add_parser(
        "eval", parents=[common], help="accuracy on annotated sequences, beside other trackers"
    )
    kinds = p.add_subparsers(title="what", metavar="WHAT", required=True, parser_class=type(p))
    f = kinds.add_parser("folder", parents=[common], help="a folder of sequences")
    f.add_argument("folder", type=Path, help="with index.json, GOT-10k's list.txt, or NAME/groundtruth.txt")
    f.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="results; an interrupted run goes on"
    )
    f.add_argument("--model", default="default", metavar="NAME", help="name in the zoo or an artefact folder")
    f.add_argument(
        "--contenders", metavar="A,B,…", help="budgets, 'random depth', kcf, csrt, mosse, static, …"
    )
    f.add_argument(
        "--starts", type=int, choices=(1, 3), default=1, help="3: start boxes moved by 4 %% as well"
    )
    f.add_argument(
        "--jobs", type=positive, default=1, help="sequences side by side; more than 1 takes no milliseconds"
    )
    f.set_defaults(run=_eval_folder)
    for kind, text in (
        ("otb", "OTB by the got10k package: success, precision, normalised precision"),
        ("got10k", "GOT-10k by its own package: AO, SR; a zip for the server's test"),
        ("uav123", "UAV123"),
        ("nfs", "Need for Speed"),
        ("dtb70", "DTB70"),
        ("lasot", "LaSOT, test split"),
    ):
        b = kinds.add_parser(kind, parents=[common], help=text)
        b.add_argument("data", type=Path, help="root folder of the data set")
        b.add_argument("--out", type=Path, required=True, metavar="DIR", help="an interrupted run goes on")
        b.add_argument("--model", default="default", metavar="NAME")
        b.add_argument("--contenders", default="default,full", metavar="A,B,…")
        if kind == "otb":
            b.add_argument("--version", choices=("otb50", "otb100", "otb2013"), default="otb100")
        if kind == "got10k":
            b.add_argument("--subset", choices=("val", "test"), default="val")
        b.set_defaults(run=_eval_toolkit, kind=kind)
    w = kinds.add_parser("sweep", parents=[common], help="accuracy against ms and MACs over budgets")
    w.add_argument("folder", type=Path)
    w.add_argument("--out", type=Path, required=True, metavar="DIR", help="an interrupted sweep goes on")
    w.add_argument("--model", default="default", metavar="NAME")
    w.set_defaults(run=_eval_sweep)
    e = kinds.add_parser("presence", parents=[common], help="losses declared, targets found again")
    e.add_argument("folder", type=Path, help="of sequences in which targets leave and return")
    e.add_argument("--out", type=Path, required=True, metavar="FILE", help="the figures as JSON")
    e.add_argument("--model", default="default", metavar="NAME")
    e.add_argument("--contenders", default="default,full,depth:1", metavar="A,B,…", help="budgets of ours")
    e.set_defaults(run=_eval_presence)
    r = kinds.add_parser("report", parents=[common], help="one HTML page of a finished eval folder")
    r.add_argument("out", type=Path, help="where eval folder wrote")
    r.add_argument("folder", type=Path, help="the folder of sequences that it ran on")
    r.add_argument("--contender", default="default", metavar="NAME", help="whose failures come first")
    r.add_argument("--beside", default="csrt", metavar="NAME", help="drawn beside it")
    r.set_defaults(run=_eval_report)
    v = kinds.add_parser("vot", parents=[common], help="VOT by the official toolkit over TraX, or built in")
    v.add_argument("data", type=Path, help="folder with index.json, or of sequences")
    v.add_argument(
        "--stack", default="local", help="vot2016, vot2018, vot2022stb, local, or an id of the toolkit"
    )
    v.add_argument("--workspace", type=Path, required=True, metavar="DIR", help="an interrupted run goes on")
    v.add_argument("--built-in", action="store_true", help="in seconds, without the toolkit")
    v.add_argument("--model", default="default", metavar="NAME")
    v.add_argument("--contenders", default="default,kcf", metavar="A,B,…")
    v.add_argument("--sequences", metavar="A,B,…", help="default: those of VOT, else all")
    v.set_defaults(run=_eval_vot)
    layout = kinds.add_parser("layout", parents=[common], help="lay sequences out as otb, got10k or vot")
    layout.add_argument("kind", choices=("otb", "got10k", "vot"))
    layout.add_argument("data", type=Path, help="folder with index.json")
    layout.add_argument("--out", type=Path, required=True, metavar="DIR")
    layout.set_defaults(run=_eval_layout)


def _eval_folder(arguments: argparse.Namespace) -> int:
    from eval.onepass.folder import evaluate_folder
    from eval.results.figures import write_figure
    from eval.results.tables import evaluation_table
    from tracker.files import write_text

    names = None if arguments.contenders is None else arguments.contenders.split(",")
    document = evaluate_folder(
        arguments.folder, arguments.out, arguments.model, names, arguments.starts, arguments.jobs
    )
    table = evaluation_table(document)
    write_text(arguments.out / "evaluation.md", table + "\n")
    write_figure(document, arguments.out / "evaluation.png")
    print(table)
    return 0


def _eval_sweep(arguments: argparse.Namespace) -> int:
    from eval.onepass.sweep import sweep
    from eval.results.tables import sweep_table

    print(sweep_table(sweep(arguments.folder, arguments.out, arguments.model)))
    return 0


def _eval_presence(arguments: argparse.Namespace) -> int:
    from eval.onepass.long_term import evaluate_presence
    from eval.results.tables import presence_table

    names = tuple(arguments.contenders.split(","))
    print(presence_table(evaluate_presence(arguments.folder, arguments.out, arguments.model, names)))
    return 0


def _eval_report(arguments: argparse.Namespace) -> int:
    from eval.onepass.report import write_report

    print(f"report {write_report(arguments.out, arguments.folder, arguments.contender, arguments.beside)}")
    return 0


def _eval_toolkit(arguments: argparse.Namespace) -> int:
    from eval.contenders.names import make_contender
    from eval.got10k import toolkit
    from eval.results.tables import toolkit_table
    from tracker import Tracker

    tracker = Tracker.load(arguments.model)
    contenders = {name: make_contender(name, tracker) for name in arguments.contenders.split(",")}
    if arguments.kind == "otb":
        document = toolkit.evaluate_otb(arguments.data, arguments.out, contenders, arguments.version)
    elif arguments.kind == "got10k":
        document = toolkit.evaluate_got10k(arguments.data, arguments.out, contenders, arguments.subset)
    else:
        document = toolkit.evaluate_ope(arguments.kind, arguments.data, arguments.out, contenders)
    print(toolkit_table(document))
    return 0


def _eval_vot(arguments: argparse.Namespace) -> int:
    from eval.data.sequences import read_sequences, select_sequences
    from eval.results.tables import vot_table
    from eval.vot.evaluate import evaluate_built_in, evaluate_vot

    sequences = select_sequences(read_sequences(arguments.data), arguments.sequences, "VOT")
    evaluate = evaluate_built_in if arguments.built_in else evaluate_vot
    names = arguments.contenders.split(",")
    document = evaluate(sequences, arguments.stack, arguments.workspace, names, arguments.model)
    print(vot_table(document))
    return 0


def _eval_layout(arguments: argparse.Namespace) -> int:
    from eval.data import layouts
    from eval.data.sequences import read_sequences, select_sequences
    from eval.vot.layout import write_vot

    sequences = read_sequences(arguments.data)
    if arguments.kind == "vot":
        written = [a.name for a in write_vot(select_sequences(sequences, None, "VOT"), arguments.out)]
    elif arguments.kind == "otb":
        written = layouts.write_otb(sequences, arguments.out)
    else:
        written = layouts.write_got10k(sequences, arguments.out)
    print(f"{len(written)} sequences in {arguments.out}")
    return 0


def _add_bench(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    p = verbs.add_parser("bench", parents=[common], help="milliseconds of update, side by side in one run")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--data", type=Path, metavar="DIR", help="folder with index.json: time whole updates")
    what.add_argument("--parts", action="store_true", help="time crops, stages and decoding apart")
    what.add_argument("--single", type=Path, metavar="FILE", help="time a tracker.onnx beside the stages")
    p.add_argument("--sequences", default="OTB/David,UAV123/bike1,VOT2015/car1", metavar="A,B,…")
    p.add_argument("--model", default="default", metavar="NAME")
    p.add_argument("--peers-from", type=Path, metavar="FILE.py", help="module with make(name, threads)")
    p.add_argument(
        "--peers",
        nargs="?",
        const="kcf,csrt,mosse",
        metavar="A,B,…",
        help="beside others, with --data: kcf,csrt,mosse, or names that the module knows",
    )
    p.add_argument("--threads", type=numbers, default=[1], metavar="1,2,…", help="with --parts (default 1)")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, and a plot beside it")
    p.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    from eval.results import figures, tables
    from eval.speed import bench, forms, parts
    from tracker.errors import SourceError

    if arguments.data is None and (arguments.peers is not None or arguments.peers_from is not None):
        raise SourceError("bench: --peers are timed on --data DIR, which is not given")
    if arguments.single is not None:
        print(tables.forms_table(forms.compare_forms(arguments.model, arguments.single, arguments.json)))
    elif arguments.parts:
        print(tables.latency_table(parts.latency(arguments.model, arguments.threads, arguments.json)))
    elif arguments.data is None:
        raise SourceError("bench: expected one of --data DIR, --parts, --single FILE")
    else:
        peers = [] if arguments.peers is None else arguments.peers.split(",")
        names = arguments.sequences.split(",")
        document = bench.bench(
            arguments.data, names, arguments.model, arguments.peers_from, peers, arguments.json
        )
        print(tables.bench_table(document))
        if arguments.json is not None:
            figures.bench_figure(document, arguments.json.with_suffix(".png"))
    return 0
