"""Small folders of images to train on."""

import numpy as np
from PIL import Image


def write_images(root, train=12, test=4):
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for name, level in (("dark", 60), ("light", 190)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(level - 50, level + 50, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number:02}.jpg")
    return root


def small_data(images):
    """The same for any network."""
    return [
        "dataset=image_folder",
        f"dataset.root={images}",
        f"dataset.cache={images}/decoded",
        "batch_size=4",
        "log_every=2",
        "epochs=2",
    ]
