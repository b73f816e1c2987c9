"""depthgate on the command line: parse, call, print. Each room is imported when its verb runs.

python app.py track clip.mp4 --box 312,140,64,90 --save out.mp4
"""

import argparse
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, TypeAlias

from arguments import box, count, positive
from eval import verbs as evaluation
from training.nas import verbs as search

DONE, FAILED, WRONG_USE, SIGNALLED = 0, 1, 2, 128
INTERRUPTED = SIGNALLED + signal.SIGINT
BASE = "pip install -e . here, or run what make demo makes: .venv/bin/python"
EXTRAS = {
    "eval": "eval",
    "models": "train",
    "models.export": "export",
    "training": "train",
    "training.nas": "search",
}
QUIET = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}
TRACK_EXAMPLES = """\
examples:
  python app.py track clip.mp4 --box 312,140,64,90 --save out.mp4
  python app.py track 'frames/%04d.jpg' --box 312,140,64,90 --picture out.png --csv - | column -s, -t
  python app.py track 0 --window

the box: leave --box out where there is a display, and draw it. Elsewhere open the frame in any viewer that
shows the pointer's position (frame 0 as a picture: ffmpeg -i clip.mp4 -frames:v 1 frame.png) and read off
the target's left, top, width and height.

budgets: none is the calibrated default; full runs every stage; depth:K always stops at exit K; 0.2GMAC spends
so many multiply-accumulates a frame in the mean.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 1 a fault of ours, 2 of what was given, 128 + a signal."""
    try:
        return _run(_parsed(_joined(sys.argv[1:] if argv is None else argv)))
    except KeyboardInterrupt:
        return INTERRUPTED


def entry() -> None:
    """Run the console command `depthgate`."""
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # results are closed; one more Ctrl-C would change the code
    sys.exit(code)


def _run(arguments: argparse.Namespace) -> int:
    """Run the verb; report a fault as one line on stderr, with --debug after its traceback."""
    if not arguments.debug:
        os.environ.update(QUIET | os.environ)
    try:
        return int(arguments.run(arguments))
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # as an extension module reports it on import
            return INTERRUPTED
        if arguments.debug:
            traceback.print_exc()
        code, text = _verdict(error)
        print(f"depthgate: {text}", file=sys.stderr)
        return code


def _verdict(error: Exception) -> tuple[int, str]:
    """Whose fault it is, as an exit code, and the line that says so."""
    from tracker.errors import TrackerError

    if isinstance(error, TrackerError):
        return WRONG_USE, f"error: {error}"
    if isinstance(error, OSError) and error.filename is not None:
        return WRONG_USE, f"error: {os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, ModuleNotFoundError) and (package := _foreign(error)):
        extra = _extra(error)
        cure = f"pip install 'depthgate[{extra}]'" if extra else BASE
        return WRONG_USE, f"error: {package} is not installed; {cure}"
    return FAILED, f"internal error: {type(error).__name__}: {error}; --debug shows where"


def _foreign(error: ModuleNotFoundError) -> str | None:
    """Return the name of the missing package, None where it is a module of ours."""
    package = str(error.name).split(".")[0]
    return None if package in ("tracker", *EXTRAS) else package


def _extra(error: ModuleNotFoundError) -> str | None:
    """Return the extra that would install what the import lacks, None where no extra would."""
    names = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    rooms = [name.split(".") for name in names if name.split(".")[0] in ("tracker", *EXTRAS)]
    if not rooms:
        return None
    room, *inside = rooms[-1]
    return EXTRAS.get(".".join([room, *inside[:1]]), EXTRAS.get(room))


def _parsed(words: list[str]) -> argparse.Namespace:
    """Parse the words; overrides may follow an option too, where argparse looks for no more of them."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(words)
    if rest and ("overrides" not in arguments or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.overrides = [*arguments.overrides, *rest]
    return arguments


def _joined(words: list[str]) -> list[str]:
    """`--box -50,40,30,30` as `--box=-50,40,30,30`, since argparse takes such a value for a flag."""
    joined: list[str] = []
    for word in words:
        if re.match(r"-[\d.]", word) and joined and joined[-1].startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


class _Verbs(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Verbs that begin their own help with the line that the help of all has for them."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        if text := options.get("help"):
            options.setdefault("description", f"{text[0].upper()}{text[1:]}.")
        parser: argparse.ArgumentParser = super().add_parser(name, **options)
        return parser


class _Parser(argparse.ArgumentParser):
    """One line for a wrong use, in the words of every other error."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register("action", "parsers", _Verbs)

    def error(self, message: str) -> "None":  # type: ignore[override]
        self.exit(WRONG_USE, f"depthgate: error: {message}; {self.prog} --help shows how\n")


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser: argparse.ArgumentParser = _Parser(
        prog="depthgate", description="Track an object, spending on each frame only what it needs."
    )
    parser.add_argument("--version", action=_Version, help="print it and exit")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=type(parser))
    _add_track(verbs, common)
    _add_train(verbs, common)
    _add_export(verbs, common)
    _add_calibrate(verbs, common)
    evaluation.add(verbs, common)
    search.add(verbs, common)
    return parser


class _Version(argparse.Action):
    """Looked up only when asked for."""

    def __init__(self, option_strings: list[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"depthgate {version('depthgate')}")
        except PackageNotFoundError:
            print("depthgate, not installed: run from its sources")
        parser.exit()


Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_track(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    p = verbs.add_parser(
        "track",
        parents=[common],
        help="follow a target through a video, folder, camera or stream",
        description="Follow one target from its box in the first frame.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=TRACK_EXAMPLES,
    )
    p.add_argument(
        "source",
        help="video file, folder or pattern of pictures (frames/, 'frames/%%04d.png'), camera index (0), "
        "or URL (rtsp://, http://)",
    )
    p.add_argument(
        "--box", type=box, metavar="x,y,w,h", help="the target in the first frame, pixels; else draw it"
    )
    p.add_argument("--start", type=count, default=0, metavar="FRAME", help="first frame used, counted from 0")
    p.add_argument(
        "--end", type=positive, metavar="FRAME", help="frame to stop before (default: the source's end)"
    )
    pace = p.add_mutually_exclusive_group()
    pace.add_argument(
        "--every-frame",
        dest="newest",
        action="store_const",
        const=False,
        help="drop no frame (default: cameras and endless streams do, when tracking is slower)",
    )
    pace.add_argument(
        "--newest", dest="newest", action="store_const", const=True, help="always the newest frame"
    )
    what = p.add_argument_group("results", "- in place of FILE is the standard output")
    what.add_argument("--save", type=Path, metavar="OUT.mp4", help="annotated video (H.264)")
    what.add_argument("--picture", type=Path, metavar="OUT.png", help="film strip and timeline of the run")
    for kind, text in (
        ("csv", "frame,x,y,w,h,score,present,depth,ms,time_s,given"),
        ("json", "the same and more as JSON Lines"),
        ("mot", "MOT challenge rows"),
        ("vot", "VOT rows"),
        ("got10k", "GOT-10k rows"),
    ):
        what.add_argument(f"--{kind}", type=Path, metavar="FILE", help=text)
    how = p.add_argument_group("how")
    how.add_argument("--window", action="store_true", help="show it while it runs")
    how.add_argument(
        "--model", default="default", metavar="NAME", help="name in the zoo or an artefact folder"
    )
    how.add_argument("--budget", metavar="BUDGET", help="full, depth:K, 0.2GMAC; default: the calibrated one")
    how.add_argument("--threads", type=positive, default=1, help="of the network (default 1)")
    p.set_defaults(run=_track)


def _track(arguments: argparse.Namespace) -> int:
    from tracker.follow import follow
    from tracker.options import TrackOptions

    rows = {kind: getattr(arguments, kind) for kind in ("csv", "json", "mot", "vot", "got10k")}
    options = TrackOptions(
        source=arguments.source,
        box=arguments.box,
        start=arguments.start,
        end=arguments.end,
        newest=arguments.newest,
        model=arguments.model,
        budget=arguments.budget,
        threads=arguments.threads,
        video=arguments.save,
        picture=arguments.picture,
        rows={kind: path for kind, path in rows.items() if path is not None},
        window=arguments.window,
    )
    ended_by = follow(options)
    return SIGNALLED + ended_by if ended_by else DONE


def _add_train(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    p = verbs.add_parser("train", parents=[common], help="train a network from a recipe; resumes by itself")
    p.add_argument("recipe", type=Path, help="YAML file, for example training/recipes/smoke.yaml")
    p.add_argument("overrides", nargs="*", metavar="key=value", help="for example phases.exits.samples=1000")
    p.add_argument(
        "--run", dest="folder", type=Path, help="folder of the run (default: the user's state folder)"
    )
    p.add_argument(
        "--explain", action="store_true", help="print and plot the plan (rate, batch, …), train nothing"
    )
    p.add_argument(
        "--out", type=Path, metavar="FILE.png", help="of --explain (default: RUN.plan.png beside the run)"
    )
    p.add_argument("--processes", type=positive, metavar="N", help="of --explain: as torchrun would start it")
    p.add_argument(
        "--show-batch", type=Path, metavar="OUT.png", help="draw what the network sees first, train nothing"
    )
    p.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    from training import explain, loop, show_batch
    from training.distributed.world import leads
    from training.recipe.errors import RecipeError
    from training.recipe.load import load

    picture = arguments.out
    if picture is not None and (picture.suffix.lower() != ".png" or picture.is_dir()):
        raise RecipeError(f"--out: got {picture}, which is not the name of a picture; name it .png")
    wanted = load(arguments.recipe, arguments.overrides)
    folder = arguments.folder or loop.default_runs() / arguments.recipe.stem
    if arguments.explain:
        explained = explain.explain(wanted, arguments.processes or 1)
        explain.print_plan(explained)
        picture = picture or folder.with_name(f"{folder.name}.plan.png")
        explain.draw_plan(explained, picture)
        print(f"plan {picture}")
        return DONE
    if arguments.show_batch:
        print(show_batch.show_batch(wanted, arguments.show_batch))
        return DONE
    for flag in ("out", "processes"):
        if getattr(arguments, flag) is not None:
            raise RecipeError(f"--{flag}: goes with --explain alone; add --explain, or leave it out")
    if leads():
        print(f"run {folder}")
    weights = loop.train(wanted, folder)
    if leads():
        print(f"weights {weights}")
    return DONE


def _add_export(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    p = verbs.add_parser("export", parents=[common], help="write trained weights as an ONNX artefact")
    p.add_argument("weights", type=Path, help="RUN/weights.safetensors, or an artefact folder with --single")
    p.add_argument("--out", type=Path, required=True, metavar="NAME.TAG", help="folder of the artefact")
    p.add_argument(
        "--single", action="store_true", help="write OUT/tracker.onnx, all stages in nested Ifs, too"
    )
    p.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    from models.export import export, single_graph

    print(f"artefact {export(arguments.weights, arguments.out)}")
    if arguments.single:
        print(f"single graph {single_graph(arguments.out, arguments.out / 'tracker.onnx')}")
    return DONE


def _add_calibrate(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    p = verbs.add_parser("calibrate", parents=[common], help="solve the gates' thresholds on held-out videos")
    p.add_argument("artefact", type=Path, help="folder of the artefact; its manifest.json is rewritten")
    p.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder with index.json: the val split; may be given several times",
    )
    p.set_defaults(run=_calibrate)


def _calibrate(arguments: argparse.Namespace) -> int:
    from training.calibrate import calibrate

    calibrate(arguments.artefact, arguments.data)
    return DONE


if __name__ == "__main__":
    entry()
