"""The splits of a run: disjoint, complete and seeded."""

import pytest
import torch

from alexnet.data.dataset import SAMPLE, Dataset, Split, choose_splits, split_validation, take_part
from alexnet.errors import Mistake


def test_validation_split_is_disjoint_complete_and_seeded():
    train = Split(torch.arange(24, dtype=torch.uint8).view(24, 1, 1, 1), torch.arange(24))
    kept, chosen = split_validation(train, 0.25, seed=0)
    assert (len(kept), len(chosen)) == (18, 6)
    assert sorted(kept.labels.tolist() + chosen.labels.tolist()) == list(range(24))
    assert torch.equal(chosen.images.flatten().long(), chosen.labels)
    assert torch.equal(split_validation(train, 0.25, seed=0)[1].labels, chosen.labels)
    assert not torch.equal(split_validation(train, 0.25, seed=1)[1].labels, chosen.labels)
    assert split_validation(train, 0, seed=0) == (train, None)


def test_a_share_of_the_training_images_is_seeded_and_apart_from_the_validation_images():
    train = Split(torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1), torch.arange(40))
    kept, chosen = split_validation(train, 0.25, seed=0)
    some = take_part(kept, 0.5, seed=0)
    assert len(set(some.labels.tolist())) == 15 and not set(some.labels.tolist()) & set(chosen.labels.tolist())
    assert torch.equal(some.images.flatten().long(), some.labels)
    assert torch.equal(take_part(kept, 0.5, seed=0).labels, some.labels)
    assert not torch.equal(take_part(kept, 0.5, seed=1).labels, some.labels)
    assert take_part(train, 1, seed=0) == train
    with pytest.raises(Mistake, match=r"dataset\.share=0\.01 of 40 training images is none"):
        take_part(train, 0.01, seed=0)


def test_the_subset_and_the_sample_are_images_that_are_trained_on():
    """As many as test images, in order; and SAMPLE of them at random. None is held out."""
    train = Split(torch.arange(1000).view(-1, 1, 1, 1), torch.arange(1000))
    dataset = Dataset(range(1000), 1, 1, train, Split(train.images[:100], train.labels[:100]))
    splits = choose_splits(dataset, 0.2, 0.9, seed=0)
    trained = set(splits.train.labels.tolist())
    assert len(trained) == 720 and not trained & set(splits.validation.labels.tolist())
    subset, sample = splits.train_subset.labels.tolist(), splits.sample.labels.tolist()
    assert (len(set(subset)), len(set(sample))) == (100, SAMPLE) and {*subset, *sample} <= trained
    assert subset == sorted(subset) and sample != sorted(sample)
