"""The transforms of batches against torchvision's, which take one image at a time."""

import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from alexnet.data import augment
from alexnet.training.build import assemble


def images(count=8):
    return torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_normalise_is_to_tensor_and_normalise(memory_format):
    """The result equals the tutorial's transform of the same pixels, bit for bit."""
    batch = images()
    reference = transforms.Compose(
        [
            transforms.Resize((32, 32)),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.25, 0.5, 1.0)),
        ]
    )
    expected = torch.stack([reference(Image.fromarray(image.permute(1, 2, 0).numpy())) for image in batch])
    mean, std = torch.tensor(0.5).view(-1, 1, 1), torch.tensor([0.25, 0.5, 1.0]).view(-1, 1, 1)
    assert torch.equal(augment.normalise(batch, mean, std, memory_format), expected)


def test_crop_is_the_window_of_the_padded_image_at_its_place():
    """Each image is the window that torchvision cuts at the same offsets."""
    batch = images(81)
    offsets = torch.cartesian_prod(torch.arange(9), torch.arange(9)).T  # every place once
    for before, after, (y, x) in zip(batch, augment.crop(batch, 32, 4, offsets), offsets.T.tolist(), strict=True):
        assert torch.equal(functional.crop(functional.pad(before, [4]), y, x, 32, 32), after)


@pytest.mark.parametrize("held, size, padding", [(256, 224, 0), (225, 224, 0), (13, 8, 0), (12, 12, 2), (10, 8, 1)])
def test_ten_crop_is_torchvisions(held, size, padding):
    """Each image has the same views in the same order. One view is its centre; two are also the mirror image's."""
    batch = torch.randint(256, (3, 3, held, held), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = augment.take_views(batch, size, padding, 10).view(10, 3, 3, size, size)
    for number, image in enumerate(batch):
        expected = transforms.TenCrop(size)(functional.pad(image, [padding]))
        assert torch.equal(views[:, number], torch.stack(expected))
        centre = functional.center_crop(image, size)
        assert torch.equal(augment.take_views(batch, size, padding, 1)[number], centre)
        two = augment.take_views(batch, size, padding, 2).view(2, 3, 3, size, size)[:, number]
        assert torch.equal(two, torch.stack([expected[4], expected[9]]))
    same = augment.take_views(batch, held, 0, 10)
    assert torch.equal(same, torch.cat([batch, batch.flip(3)]))


def test_the_views_of_a_test_come_from_half_as_far_out_as_training_crops(compose):
    """They are torchvision's TenCrop of the digits padded by 2, when training's crops are padded by 4."""
    data = ["dataset=digits", "device=cpu", "dataset.mean=0", "dataset.std=1", "dataset.crop=4"]
    training = assemble(compose(*data, "model=cuda_convnet", "dataset.views=10", "batch_size=20"))
    images, _ = next(training.batches.test.epoch())
    held = training.batches.test.images[:2]
    expected = torch.stack(transforms.TenCrop(32)(functional.pad(held, [2])))
    torch.testing.assert_close(images * 255, expected.flatten(0, 1).float())


def test_cut_out_erases_a_square_up_to_the_edge():
    """For every centre, odd and even sides, torchvision's erase of the part inside the image gives the same."""
    centres = torch.cartesian_prod(torch.arange(8), torch.arange(8)).T
    before = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    for side in (1, 4, 5, 20):
        after = augment.cut_out(before.clone(), side, centres)
        for image, expected, (y, x) in zip(after, before, centres.T.tolist(), strict=True):
            top, left = max(y - side // 2, 0), max(x - side // 2, 0)
            height, width = (min(at - side // 2 + side, 8) - start for at, start in ((y, top), (x, left)))
            assert torch.equal(image, functional.erase(expected, top, left, height, width, torch.tensor(0.0)))


def test_cut_mix_targets_are_the_areas_that_are_seen():
    """Each image has one value. The share of its pixels that are its neighbour's is the target of that class."""
    levels = torch.arange(4.0)
    batch, labels = levels.view(4, 1, 1, 1).expand(4, 3, 16, 16).clone(), torch.tensor([3, 0, 2, 1])
    mixed = 0
    for seed in range(200):
        torch.manual_seed(seed)
        images, targets = augment.mix(batch.clone(), labels, 5, 0.5, 0)
        own = (images == levels.view(4, 1, 1, 1)).float().mean((1, 2, 3))
        if targets is labels:
            assert torch.equal(images, batch)
            continue
        mixed += 1
        neighbours = (images == levels.roll(1).view(4, 1, 1, 1)).float().mean((1, 2, 3))
        expected = torch.zeros(4, 5)
        expected[range(4), labels] = own
        expected[range(4), labels.roll(1)] = neighbours
        torch.testing.assert_close(targets, expected)
    assert 75 < mixed < 125


def test_mixup_targets_are_the_weights_of_both_images():
    """Beside CutMix, in the share of batches that it is given."""
    batch, labels = torch.rand(4, 3, 16, 16), torch.tensor([3, 0, 2, 1])
    batch = batch.contiguous(memory_format=torch.channels_last)
    kinds = {"cutmix": 0, "mixup": 0, "none": 0}
    for seed in range(200):
        torch.manual_seed(seed)
        images, targets = augment.mix(batch.clone(), labels, 5, 0.25, 0.5)
        assert images.is_contiguous(memory_format=torch.channels_last)
        if targets is labels:
            kinds["none"] += 1
            continue
        own = targets[range(4), labels].view(4, 1, 1, 1)
        torch.testing.assert_close(targets.sum(1), torch.ones(4))
        weighted = own * batch + (1 - own) * batch.roll(1, 0)
        kinds["mixup" if torch.allclose(images, weighted, atol=1e-6) else "cutmix"] += 1
    assert 30 < kinds["cutmix"] < 70 and 75 < kinds["mixup"] < 125, kinds


def test_flip_is_torchvisions():
    batch = images(2)
    unchanged, mirrored = augment.flip(batch, torch.tensor([False, True]))
    assert torch.equal(unchanged, batch[0]) and torch.equal(mirrored, functional.hflip(batch[1]))
