"""Trains as tutorials do. The benchmark compares this project's loop with it."""

import multiprocessing
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from alexnet.data.decoding import decode
from alexnet.data.image_files import ImageFiles
from alexnet.training.build import Training

WORKERS = 2


def run_tutorial(training: Training) -> Iterator[int]:
    """Workers decode and normalise one image at a time; float32; every batch waits for the device.

    Yields the number of images of each step.
    """
    transform = transforms.Compose(
        [
            transforms.Resize((training.dataset.size,) * 2),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * training.dataset.channels, (0.5,) * training.dataset.channels),
        ]
    )
    batches = training.batches.train
    images = PillowImages(batches.images, batches.labels.tolist(), transform)
    start = multiprocessing.get_all_start_methods()[0]  # as in a script; this process started differently
    loader = DataLoader(images, batches.batch_size, True, num_workers=WORKERS, multiprocessing_context=start)
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, False  # torch's defaults
    torch.use_deterministic_algorithms(False)
    device = training.engine.device
    model = training.model.to(memory_format=torch.contiguous_format)
    model.train()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    running_loss, correct = 0.0, 0
    while True:
        for inputs, labels in loader:
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()
            yield len(labels)


class PillowImages(Dataset):
    """A torchvision dataset as tutorials use it: it makes each image from its pixels or its file when asked for it."""

    def __init__(self, images: torch.Tensor | ImageFiles, labels: list[int], transform: transforms.Compose):
        self.labels, self.transform = labels, transform
        self.images: np.ndarray | ImageFiles
        if isinstance(images, ImageFiles):
            self.images = images
        else:
            self.images = images.cpu().permute(0, 2, 3, 1).contiguous().numpy()  # (N, H, W, C)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if isinstance(self.images, ImageFiles):
            image = transforms.functional.to_pil_image(decode(self.images.paths[index], self.images.size))
        else:
            image = Image.fromarray(self.images[index].squeeze())
        return self.transform(image), self.labels[index]
