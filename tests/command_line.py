"""The command line in a test: its exit code, and a process of its own."""

import subprocess
import sys
from pathlib import Path

import app

ROOT = Path(__file__).parents[1]


BOX = ["--box", "50,40,30,30"]


def run(*arguments: object) -> int:
    """The exit code, however it comes."""
    try:
        return app.main([str(a) for a in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def new_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The code in a Python of its own, at the project's root; Ctrl-C is heard even where ours ignores it."""
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", heard + code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def remuxed(source, target) -> None:
    """The same frames, each decodable alone, with the index in front."""
    import av

    with av.open(str(source)) as inside, av.open(str(target), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {"g": "1", "tune": "zerolatency"}
        for frame in inside.decode(video=0):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="bgr24"), "bgr24")))
        out.mux(stream.encode())
