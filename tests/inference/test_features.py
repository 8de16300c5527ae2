"""What the layers of a trained network give: one row an image, whatever the batches and the columns."""

import pytest
import torch

import alexnet
from alexnet.errors import Mistake
from alexnet.inference.features import compute_features, load_centres
from alexnet.models.named_layers import find_layers


@pytest.fixture(scope="module")
def trained(columns):
    return alexnet.load(columns)


def test_the_last_layer_gives_the_networks_own_logits_and_fc7_what_fc8_is_given(trained):
    batches = load_centres(trained)
    features = [*compute_features(trained, batches, ["conv5", "fc7", "fc8"])]
    logits = torch.cat([*trained.compute_logits(trained.make_batches(batches.images, views=1))])
    fc7, fc8 = (torch.cat([batch[name] for batch in features]) for name in ("fc7", "fc8"))
    assert torch.equal(fc8, logits) and fc7.shape == (len(batches.labels), 64)
    torch.testing.assert_close(find_layers(trained.model)["fc8"].weighted[0](fc7), logits)
    assert features[0]["conv5"].shape[1:] == (8, 7, 7) and features[0]["conv5"].min() >= 0
    assert torch.equal(batches.labels, trained.load_split("test")[1].labels)


def test_several_views_give_their_mean(trained):
    """So ten views of images have one row each, too."""
    images = load_centres(trained).images[:3]
    several = next(iter(compute_features(trained, trained.make_batches(images), ["fc6"], before_activation=True)))
    assert several["fc6"].shape == (3, 64) and several["fc6"].min() < 0


def test_an_unknown_layer_is_refused_before_anything_is_computed(trained):
    with pytest.raises(Mistake, match="did you mean fc"):
        compute_features(trained, load_centres(trained), ["fc9"])
