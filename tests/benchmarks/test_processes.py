"""What several processes exchange is counted and measured as they exchange it."""

import json
import sys

import pytest
import torch

import exchange
from alexnet.engine.distributed import Group
from alexnet.engine.shares import Sums
from support.programs import ROOT, run_script

COMMAND = [sys.executable, str(ROOT / "benchmarks" / "processes.py")]


class Counting(Group):
    """Sends nothing, and counts what it would send and receive."""

    def _run(self, transfers):
        self.counts = getattr(self, "counts", {"send": 0, "receive": 0})
        for kind, tensor, _ in transfers:
            self.counts[kind] += len(tensor)


@pytest.mark.parametrize(("processes", "shards", "nodes"), [(2, 2, 1), (4, 4, 1), (8, 8, 1), (4, 16, 1), (2, 6, 2)])
def test_the_values_that_a_process_exchanges(processes, shards, nodes):
    """Each sends (nodes + 1) times the (P - 1) parts of the others, and receives as many."""
    length, groups = 840, [Counting(rank, processes, shards) for rank in range(processes)]
    for group in groups:
        sums = Sums()
        for share in group.get_shares():
            sums.add(share, torch.ones(length))
        assert len(sums.nodes) == nodes
        group.add_up(sums, shards, length)
        expected = exchange.count_exchanged(length, processes, nodes)
        assert group.counts == {"send": expected, "receive": expected}
    if nodes == 1:
        assert expected == 2 * length * (processes - 1) / processes


@pytest.mark.thorough
@pytest.mark.slow
def test_both_sides_are_measured_by_turns(tmp_path):
    settings = ["model=cuda_convnet", "batch_size=32", "device.threads=1", "--pairs=2", "--seconds=0.2", "--json"]
    done = run_script([*COMMAND, *settings], tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["processes"], found["threads"], found["threads_each"], found["batch_size"]) == (2, 2, 1, 32)
    ratios = [pair["many"] / pair["one"] for pair in found["pairs"]]
    assert [pair["ratio"] for pair in found["pairs"]] == pytest.approx(ratios) and len(ratios) == 2
    assert (found["ratio"]["min"], found["ratio"]["max"]) == pytest.approx((min(ratios), max(ratios)))
    exchanged = found["exchange"]
    assert exchanged["values"] == 89_578 + 2  # the weights, the loss and the right answers; it has no other buffers
    assert exchanged["bytes"] == 4 * exchanged["values"] and exchanged["backend"] == "gloo"
    assert exchanged["seconds"] > 0 and exchanged["limit_seconds"] > 0
    assert "each process sends 0.4 MB and receives as many" in exchange.as_text(found)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("device.processes=1", "device.processes=1: expected 2 or more"),
        ("device.shards=3", "device.shards=3"),
        ("--pairs=0", "--pairs: 0: expected a whole number above 0"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, typed, said):
    done = run_script([*COMMAND, typed], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr
