"""One sweep on a local cluster of two workers, by configuration alone."""

import numpy as np
import pytest
from joblib import parallel_config

from models.nas.features import parameters
from models.nas.space import enumerate_space
from training.nas.benchmark.landscape import Landscape
from training.nas.search.compare import compare


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_comparison_on_a_dask_cluster_is_the_one_on_this_machine(tmp_path):
    distributed = pytest.importorskip("distributed")
    space = enumerate_space()
    value = np.repeat(np.log(parameters(space, np.arange(len(space))))[:, None] / 6, 4, 1).astype(np.float32)
    seconds = np.full((len(space), 4), 1000, np.float32)
    hill = Landscape(value, np.full(4, 0.01), seconds, np.zeros(len(space), bool))
    wanted = {"random": (4, 5e4), "evolution": (4, 5e4)}
    here = compare(hill, wanted, 1, tmp_path / "here", "a hill")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        parallel_config("dask"),
    ):
        there = compare(hill, wanted, 2, tmp_path / "there", "a hill")
        used = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert len(used) == 2 and all(count > 0 for count in used.values()), "both workers had work"
    for name in wanted:
        assert there["searchers"][name]["mean"] == here["searchers"][name]["mean"]
