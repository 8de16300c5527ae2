"""Training as tutorials write it, for the benchmark to compare with."""

import multiprocessing
from collections.abc import Iterator

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from alexnet.data.image_files import ImageFiles, decode
from alexnet.training.build import Training

WORKERS = 2


def tutorial_loop(training: Training) -> Iterator[int]:
    """As tutorials write it: images decoded and normalised one at a time by workers, float32, a wait every batch."""
    transform = transforms.Compose(
        [
            transforms.Resize((training.dataset.size,) * 2),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * training.dataset.channels, (0.5,) * training.dataset.channels),
        ]
    )
    images = PillowImages(training.train.images, training.train.labels.tolist(), transform)
    start = multiprocessing.get_all_start_methods()[0]  # a script's; in this process it is that of the process itself
    loader = DataLoader(images, training.train.batch_size, True, num_workers=WORKERS, multiprocessing_context=start)
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
    """A torchvision dataset as tutorials use it: an image is made from its pixels, or its file, when asked for."""

    def __init__(self, images: torch.Tensor | ImageFiles, labels: list[int], transform: transforms.Compose):
        self.images, self.labels, self.transform = images, labels, transform
        if isinstance(images, torch.Tensor):
            self.images = images.cpu().permute(0, 2, 3, 1).contiguous().numpy()  # (N, H, W, C)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if isinstance(self.images, ImageFiles):
            image = transforms.functional.to_pil_image(decode(self.images.paths[index], self.images.size))
        else:
            image = Image.fromarray(self.images[index].squeeze())
        return self.transform(image), self.labels[index]
