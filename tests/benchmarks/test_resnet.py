"""The network that recipes are compared with is a ResNet-18, trained by this project's loop."""

import sys

import pytest
import torch

from resnet.resnet18 import ResNet18
from support.programs import ROOT, run_script


def test_it_is_the_papers_network_on_maps_of_full_size():
    """17 convolutions, and three that match shortcuts (He et al. 2016, §3.3); all stages but one halve maps."""
    network, sides = ResNet18(classes=10, channels=3, size=32), []
    for layer in (network.conv1, network.layer1, network.layer2, network.layer3, network.layer4):
        layer.register_forward_hook(lambda layer, given, maps: sides.append(tuple(maps.shape[1:])))
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert sides == [(64, 32, 32), (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    weights = [each for each in network.parameters() if each.ndim == 4]
    assert len(weights) == 20 and sum(each.numel() for each in network.parameters()) == 11_173_962


@pytest.mark.slow
def test_its_recipe_trains(tmp_path):
    own = ["--config-dir", str(ROOT / "benchmarks" / "resnet"), "experiment=resnet18", "dataset=digits"]
    small = ["dataset.size=8", "dataset.share=0.1", "epochs=1", "schedule.warmup=0", "hydra.run.dir=run"]
    done = run_script([sys.executable, str(ROOT / "scripts" / "train.py"), *own, *small], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").is_file()
