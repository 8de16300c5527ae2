"""Small folders of real photographs, cut from the two that come with scikit-learn, of every size and mode."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

SYNSETS = ["n01440764", "n03877845"]  # one for the flower's pixels, one for the palace's
KINDS = ["plain", "grey", "print", "alpha", "palette", "deep", "turned", "tiny", "wide", "high"]


def photograph(label, number, kind="plain"):
    """A part of one of the two photographs, as a Pillow image of that kind; `number` says which part."""
    random = np.random.default_rng([label, number])
    whole = load_sample_image(["flower.jpg", "china.jpg"][label])  # (427, 640, 3)
    height, width = {"tiny": (2, 3), "wide": (12, 600), "high": (400, 90)}.get(kind, random.integers(70, 130, 2))
    top, left = random.integers(427 - height), random.integers(640 - width)
    image = Image.fromarray(np.ascontiguousarray(whole[top : top + height, left : left + width]))
    if kind == "deep":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert({"grey": "L", "print": "CMYK", "alpha": "RGBA", "palette": "P"}.get(kind, "RGB"))


def save(image, path, kind="plain"):
    """Under a .JPEG name whatever it is, as one PNG is in ImageNet."""
    exif = Image.Exif()
    if kind == "turned":
        exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG" if kind in ("alpha", "palette", "deep") else "JPEG", exif=exif)


def write_imagenet(root, train=10, val=4):
    """root/train/SYNSET/*.JPEG, a kind after the other, and root/val/SYNSET/*.JPEG."""
    for label, synset in enumerate(SYNSETS):
        for number in range(train):
            kind = KINDS[number % len(KINDS)]
            save(photograph(label, number, kind), root / "train" / synset / f"{synset}_{number}.JPEG", kind)
        for number in range(val):
            place = root / "val" / synset / f"ILSVRC2012_val_{2 * number + 1 + (label + number) % 2:08}.JPEG"
            save(photograph(label, 100 + number), place)
    return root
