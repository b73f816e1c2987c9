"""Small clips and folders, made on the spot."""

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np


def shade(i: int) -> np.ndarray:
    return np.full((48, 64, 3), 10 * i, np.uint8)


def write_video(path, sound_s: float = 0.0, options: dict[str, str] | None = None):
    """Twelve noisy frames of rising grey, ten a second, each decodable alone; silence beside them."""
    noise = np.random.default_rng(0).integers(-25, 26, (48, 64, 3))
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "1"}
        sound = container.add_stream("aac", rate=16_000) if sound_s else None
        for i in range(12):
            picture = (shade(i + 4) + noise).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
        for at in range(0, int(sound_s * 16_000), 1024):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 16_000, at
            container.mux(sound.encode(silence))
        if sound is not None:
            container.mux(sound.encode())
    return path


def write_timed(path, times_s: Sequence[float], codec: str = "libx264", aspect: Fraction | None = None):
    """A frame of rising grey at each of the times, which need not be even."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        stream.options = {"bf": "0"} if codec == "libx264" else {}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for i, time_s in enumerate(times_s):
            picture = av.VideoFrame.from_ndarray(shade(i + 4), "bgr24")
            picture.pts, picture.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def levels(frames) -> list[int]:
    """Which shades they are."""
    return [round((frame.mean() - 40) / 10) for frame in frames]
