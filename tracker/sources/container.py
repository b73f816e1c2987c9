"""Containers as FFmpeg opens them, kept from opening what the user did not name; and what they promise."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.logging

from tracker.errors import SourceError

# These read other files, addresses or devices that their own text names.
REFERRING = {
    "concat",
    "concatf",
    "hls",
    "dash",
    "imf",
    "sdp",
    "rtsp",
    "rtp",
    "sap",
    "image2",
    "lavfi",
    "tedcaptions",
}
DURATION_OF_FILE = ("matroska,webm", "flv")
ROUGH_FRAMES = 3  # interlaced files say twice the rate, and times are rounded
EXACT_FRAMES = 1.5
PACKETS_TS = (188, 192, 204)


def open_container(address: Path | str, timeout_s: float | None = None) -> Any:
    """Open a file, which can name no other, or a URL; for an `av.container.InputContainer`.

    Raises:
        av.FFmpegError, OSError: as FFmpeg says it.
    """
    if isinstance(address, Path):
        own = ",".join(sorted(av.formats_available - REFERRING))
        return av.open(f"file:{address}", options={"format_whitelist": own, "protocol_whitelist": "file"})
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    return av.open(address, options=options, timeout=timeout_s)


def video_stream(container: Any, address: Path | str) -> Any:
    """Return the stream of moving pictures that a player would show.

    Raises:
        SourceError: there is none, or nothing here decodes it.
    """
    stream = container.streams.best("video")
    if stream is None:
        raise SourceError(f"source: {address} has no video in it; expected a file with moving pictures")
    if stream.codec_context is None:
        raise SourceError(
            f"source: {address} is coded as {_codec(address)}, which nothing here decodes; "
            "make it another: ffmpeg -i IN -c:v libx264 OUT.mp4"
        )
    return stream


def _codec(address: Path | str) -> str:
    """Return the name or four letters of a codec without a decoder, which FFmpeg tells its log alone."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as said, open_container(address, 10.0):
            text = " ".join(line for _, _, line in said)
    finally:
        av.logging.set_level(before)
    match = re.search(r"Video: (?:none \((\S+)|(\w+))", text)
    return (match[1] or match[2]) if match else "something unknown"


@dataclass(frozen=True)
class Promise:
    """What a container says that it holds.

    Attributes:
        frames: packets that its header lists, 0 where it lists none or the next says it better.
        ends: what its clock shows at the end of the last frame, 0 where it does not say.
        slack_frames: what may be missing of it without a word.
        whole: False when the last packet of a transport stream is cut.
    """

    frames: int = 0
    ends: float = 0.0
    slack_frames: float = ROUGH_FRAMES
    whole: bool = True

    def broken(self, packets: int, ends: float, fps: float) -> str:
        """Say how what was read falls short by more than a frame or a rounding; else return an empty text."""
        if self.frames:
            return f"ends after {packets} of {self.frames} frames" if packets < self.frames - 1 else ""
        if ends + self.slack_frames / fps < self.ends:
            return f"ends after {ends:.2f} of {self.ends:.2f} s"
        return "" if self.whole else f"ends inside a packet, after {packets} frames"


def promise(container: Any, stream: Any, path: Path | None) -> Promise:
    """Read from the container itself.

    MP4 knows its duration with all that an edit list leaves out. Matroska
    and FLV list no samples but say how long they are: the header the longest
    track, a tag each one. A transport stream says neither, but a cut seldom
    falls between its packets of 188 bytes (192 or 204 on some devices).
    """
    kind, base = container.format.name, float(stream.time_base or 0)
    if kind == "mpegts":
        size = path.stat().st_size if path is not None else 0
        return Promise(whole=any(size % packet == 0 for packet in PACKETS_TS))
    if kind.startswith("mov"):
        ends = ((stream.start_time or 0) + stream.duration) * base if stream.duration else 0.0
        return Promise(ends=ends, slack_frames=EXACT_FRAMES)
    ends = _seconds(stream.metadata.get("DURATION", ""))
    if not ends and kind in DURATION_OF_FILE and len(container.streams) == 1:
        ends = (container.duration or 0) / av.time_base
    return Promise(stream.frames, ends)


def _seconds(clock: str) -> float:
    """Read 00:01:02.500000000 as 62.5, anything else as 0."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", clock)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0
