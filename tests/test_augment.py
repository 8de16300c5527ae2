"""The batched transforms against torchvision's, which take one image at a time."""

import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from alexnet import augment


def images(count=8):
    return torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def seeded(seed=5):
    return torch.Generator().manual_seed(seed)


def test_normalise_is_to_tensor_and_normalise():
    """Bit for bit what the tutorial's transform makes of the same pixels."""
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
    assert torch.equal(augment.normalise(batch, mean, std), expected)


def test_crop_is_a_window_of_the_padded_image():
    """Each image is one of the 81 windows that torchvision cuts, and not all the same one."""
    batch = images()
    cropped = augment.random_crop(batch, 4, seeded())
    places = set()
    for before, after in zip(batch, cropped, strict=True):
        padded = functional.pad(before, [4])
        found = [
            (y, x) for y in range(9) for x in range(9) if torch.equal(functional.crop(padded, y, x, 32, 32), after)
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 1


def test_every_place_and_both_directions_come_up():
    """4,050 crops by 1 pixel fall evenly on 9 places (chi-square), and about half of the images are mirrored."""
    many = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3).repeat(4050, 1, 1, 1) + 1
    centres = augment.random_crop(many, 1, seeded())[:, 0, 1, 1]
    counts = torch.bincount(centres.long(), minlength=10)[1:]
    assert ((counts - 450) ** 2 / 450).sum() < 26.1  # 0.1% point with 8 degrees of freedom
    mirrored = (augment.random_flip(many, seeded())[:, 0, 0, 0] == 3).float().mean()
    assert 0.45 < mirrored < 0.55


def test_flip_is_torchvisions():
    batch = images()
    flipped = augment.random_flip(batch, seeded())
    same = [torch.equal(before, after) for before, after in zip(batch, flipped, strict=True)]
    mirror = [torch.equal(functional.hflip(before), after) for before, after in zip(batch, flipped, strict=True)]
    assert all(a != b for a, b in zip(same, mirror, strict=True)) and any(same) and any(mirror)


def test_the_same_seed_gives_the_same_batch():
    batch = images()
    assert torch.equal(augment.random_crop(batch, 4, seeded()), augment.random_crop(batch, 4, seeded()))
    assert not torch.equal(augment.random_crop(batch, 4, seeded()), augment.random_crop(batch, 4, seeded(6)))
