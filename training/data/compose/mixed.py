"""One stream out of several: each sample decides by itself which of them it comes from."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.pairs import Batch, Pairs, Sample, batch_of


@dataclass(frozen=True)
class MixedStream:
    """Sample i is that of one of `streams`, drawn from (seed, phase, i) by `shares`, which sum to 1."""

    streams: Sequence[Pairs]
    shares: Sequence[float]
    seed: int
    phase: str

    def sample(self, index: int) -> Sample:
        """Draw sample `index` of the stream that it comes from."""
        return self.stream_of(index).sample(index)

    def batch(self, start: int, count: int) -> Batch:
        """Make samples start … start + count − 1; of none, arrays of length 0."""
        return batch_of(self, start, count)

    def describe(self, index: int) -> str:
        """In a few words, how the sample was made."""
        return self.stream_of(index).describe(index)

    def stream_of(self, index: int) -> Pairs:
        """Choose the stream of sample `index`."""
        rng = np.random.default_rng((self.seed, zlib.crc32(self.phase.encode()), index, 3))
        return self.streams[int(rng.choice(len(self.streams), p=self.shares))]
