"""probe.py: how well a linear classifier tells the classes apart by what a layer gives."""

import json

import numpy as np
import pytest
import torch

import alexnet
from alexnet.errors import Mistake
from alexnet.inference.probe import load_data, probe, shrink
from alexnet.inference.probe_report import probe_run


def test_agrees_with_scikit_learn_on_the_same_features(digits):
    """The pipeline of scikit-learn on all values of the layer, with the C that was chosen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    trained = alexnet.load(digits / "run")
    data = load_data(trained, [])
    found = probe(trained, data, "conv3")
    features = {}
    for name, batches in (("train", data.train), ("test", data.test)):
        with torch.no_grad():
            values = [trained.model.features[:8](images).flatten(1) for images, _ in batches.epoch()]
        features[name] = torch.cat(values).numpy()
    assert found.features == features["train"].shape[1] == 64 * 8 * 8
    model = make_pipeline(StandardScaler(), LogisticRegression(C=found.c, max_iter=500))
    model.fit(features["train"], data.train.labels)
    expected = model.score(features["test"], data.test.labels)
    assert found.accuracy == pytest.approx(expected, abs=0.006) and found.accuracy > 0.9  # 2 of 360 images
    assert found.c in found.choice and found.choice[found.c] == max(found.choice.values())


def test_writes_a_row_for_each_layer_and_says_what_the_network_reaches(digits, tmp_path, capsys):
    given = {"layers": "conv1,conv3", "out": str(tmp_path), "force": False}
    assert probe_run(str(digits / "run"), ["dataset.share=0.3"], **given) == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "probe.json").read_text())
    assert [row["layer"] for row in written["layers"]] == ["conv1", "conv3"]
    for row in written["layers"]:
        assert row["interval"][0] < row["accuracy"] == row["right"] / 360 < row["interval"][1]
        assert f"{100 * row['accuracy']:.2f}" in printed
    assert written["training_images"] == round(0.3 * 1293)
    accuracy = json.loads((digits / "run" / "result.json").read_text())["test_accuracy"]
    assert written["network_accuracy"] == accuracy and f"the network itself: {100 * accuracy:.2f}%" in printed
    with pytest.raises(Mistake, match="give --force"):
        probe_run(str(digits / "run"), [], **given)


@pytest.mark.parametrize(
    ("overrides", "layers", "expected"),
    [
        ([], "fc9", "There is no layer fc9"),
        (["epochs=3"], "conv1", "only dataset=NAME"),
        (["dataset.size=48"], "conv1", "dataset.size=48: the network sees images as it was trained to"),
    ],
)
def test_a_mistake_is_one_sentence(digits, tmp_path, overrides, layers, expected):
    with pytest.raises(Mistake, match=expected):
        probe_run(str(digits / "run"), overrides, layers=layers, out=str(tmp_path), force=False)


def test_large_maps_are_averaged_over_as_few_squares_as_needed():
    maps = torch.rand(2, 64, 32, 32)
    assert shrink(maps).shape == (2, 64 * 8 * 8) and shrink(torch.rand(2, 5000)).shape == (2, 5000)
    expected = maps.numpy().reshape(2, 64, 8, 4, 8, 4).mean((3, 5)).reshape(2, -1)
    np.testing.assert_allclose(shrink(maps).numpy(), expected, rtol=1e-5)
