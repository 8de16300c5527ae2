"""Handwritten digits, which come with scikit-learn: real images without a download, for the quickstart and tests."""

import torch

from alexnet.data.dataset import Dataset, Split, resize_images


def digits(size: int) -> Dataset:
    """1,797 greyscale images of 8x8 pixels in 10 classes, resized and made RGB. A fixed fifth is the test split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    pixels = torch.from_numpy(data.images).float()[:, None] * (255 / 16)  # (N, 1, 8, 8); the source has 0 to 16
    images = resize_images(pixels, size).round().clamp(0, 255).byte().repeat(1, 3, 1, 1)
    labels = torch.from_numpy(data.target).long()
    parts = train_test_split(range(len(labels)), test_size=0.2, random_state=0, stratify=data.target)
    train, test = (Split(images[part], labels[part]) for part in map(torch.tensor, parts))
    return Dataset([str(name) for name in data.target_names], 3, size, train, test)
