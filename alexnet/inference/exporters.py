"""Writes a trained network in the formats of export.py, and reads each as another program does."""

import json
import sys
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from alexnet.config.options import find_option, load_files
from alexnet.disk import format_bytes
from alexnet.errors import Failure, Mistake, make_printable
from alexnet.inference import model_card
from alexnet.inference.export import refuse_model
from alexnet.inference.trained import Trained, load
from alexnet.inference.verdict import Compute
from alexnet.models.weight_files import read_weights
from alexnet.training.targets import call, read_options

# The plain network on the processor: the engine's own convolutions and 16 bits are only for speed.
PLAIN = ("device.precision=float32", "device.winograd=false", "device.channels_last=false", "device.columns=null")
MOST_ONNX = 2**31 - 2**24  # bytes of weights: one ONNX file has at most 2 GiB
NOT_OF_THE_NETWORK = ("_target_", "weights", "keep", "freeze")  # where its weights came from


class Plain(nn.Module):
    """What is exported: images (B, C, size, size) uint8 to logits and probabilities, both (B, K)."""

    def __init__(self, network: nn.Module, mean: Any, std: Any):
        super().__init__()
        self.network = network
        for name, value in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32).view(-1, 1, 1))
        self.eval()

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(images.to(self.mean.dtype).div(255).sub(self.mean).div(self.std))
        return logits, logits.softmax(1)


@dataclass
class Exported:
    """A network to be exported. about: what its files say of it. names_data: whether a person says where its data is.

    exactly: the network in float64, once it is needed.
    """

    trained: Trained
    network: Plain
    about: dict[str, Any]
    license: str
    names_data: bool
    exactly: nn.Module | None = None

    @property
    def weights(self) -> dict[str, Tensor]:
        return {name: value.contiguous() for name, value in self.trained.model.state_dict().items()}

    @property
    def texts(self) -> dict[str, str]:
        """`about` for files that have texts only."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.about.items()}

    def describe(self) -> str:
        count = sum(each.numel() for each in self.trained.model.parameters())
        epoch = "" if self.trained.epoch is None else f" after epoch {self.trained.epoch}"
        hashed = self.trained.weights_sha256[:16]
        return make_printable(
            f"{self.trained.source}: {self.about['model']}, {count:,} parameters, weights{epoch} with SHA-256 {hashed}…"
        )


def prepare(folder: str, overrides: Sequence[str], license: str) -> Exported:
    """The network of a run's folder or of a published file. Raises Mistake and Damaged like trained.load."""
    trained = load(folder, [*overrides, *PLAIN], device="cpu")
    return describe(trained, license, names_data=any(override.startswith("dataset") for override in overrides))


def describe(trained: Trained, license: str = "unknown", names_data: bool = False) -> Exported:
    """trained: on the processor, with torch's own convolutions."""
    mean, std = map(_as_plain, (trained.preparation.mean, trained.preparation.std))
    model = trained.options.model
    options = {key: value for key, value in read_options(model).items() if key not in NOT_OF_THE_NETWORK}
    environment = {} if trained.run is None else trained.run.environment()
    about = {
        "model": find_option("model", model._target_),
        "options": options,
        "classes": trained.classes,
        "channels": trained.channels,
        "size": trained.size,
        "mean": mean,
        "std": std,
        "weights_sha256": trained.weights_sha256,
        "command": model_card.describe_command(environment),
        "exported_with": model_card.describe_command({"command": ["python", *sys.argv]}),
    }
    return Exported(trained, Plain(trained.model, mean, std), about, license, names_data)


def _as_plain(value: Any) -> float | list[float]:
    return float(value) if isinstance(value, (int, float)) else list(map(float, value))


def rebuild(about: dict[str, Any], weights: dict[str, Tensor]) -> Compute:
    """The network from what a file says of it alone. Raises Mistake for a model that conf/ doesn't name."""
    file = load_files("model").get(about["model"])
    if file is None:
        raise Mistake(f"{about['model']} is no network of conf/model.")
    model = OmegaConf.create({"_target_": file["_target_"], **about["options"]})
    with torch.device("meta"):
        network = call("model", model, classes=len(about["classes"]), channels=about["channels"], size=about["size"])
    network.load_state_dict(weights, assign=True)
    return Plain(network, about["mean"], about["std"])


@dataclass(frozen=True)
class Exporter:
    """reader: the program that reads the files back. exact: whether it must compute the same bits."""

    reader: str
    exact: bool
    write: Callable[[Exported, Path], None]
    read: Callable[[Exported, Path], Compute]
    check: Callable[[Exported], None] = lambda exported: None


def _check_onnx(exported: Exported) -> None:
    size = sum(value.nbytes for value in exported.weights.values())
    if size > MOST_ONNX:
        raise Mistake(
            f"An ONNX file has at most 2 GiB, and the weights of {exported.trained.source} take {format_bytes(size)}: "
            f"give --to pt2 or --to safetensors."
        )


def _trace(exported: Exported) -> Any:
    """The network as a program of torch.export, for any number of images; without the paths of this machine."""
    trained = exported.trained
    images = torch.zeros(2, trained.channels, trained.size, trained.size, dtype=torch.uint8)
    with torch.no_grad():
        program = torch.export.export(exported.network, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _write_onnx(exported: Exported, folder: Path) -> None:
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            _trace(exported),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["logits", "probabilities"],
        )
    model = program.model_proto
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for part in (model.graph.value_info, model.metadata_props, *(node.metadata_props for node in model.graph.node)):
        del part[:]
    onnx.helper.set_model_props(model, exported.texts)
    onnx.checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _read_onnx(exported: Exported, folder: Path) -> Compute:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch's turns have the processor, too
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def compute(images: Tensor) -> tuple[Tensor, Tensor]:
        logits, probabilities = session.run(["logits", "probabilities"], {"images": images.numpy()})
        return torch.from_numpy(logits), torch.from_numpy(probabilities)

    return compute


def _write_safetensors(exported: Exported, folder: Path) -> None:
    from safetensors.torch import save  # its save_file makes a file that only its owner can read

    (folder / "model.safetensors").write_bytes(save(exported.weights, {"format": "pt", **exported.texts}))


def _read_safetensors(exported: Exported, folder: Path) -> Compute:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        texts = file.metadata()
    about = {name: texts[name] if name == "model" else json.loads(texts[name]) for name in model_card.NEEDED}
    return rebuild(about, read_weights(str(folder / "model.safetensors")))


def _check_torchvision(exported: Exported) -> None:
    if exported.about["model"] != "alexnet" or exported.trained.channels != 3:
        channels = "" if exported.trained.channels == 3 else f" with {exported.trained.channels} channel"
        raise refuse_model("torchvision", exported.about["model"] + channels, exported.trained.source)


def _write_torchvision(exported: Exported, folder: Path) -> None:
    torch.save(exported.weights, folder / "alexnet.pth")


def _read_torchvision(exported: Exported, folder: Path) -> Compute:
    from torchvision.models import alexnet

    with torch.device("meta"):
        network = alexnet(num_classes=len(exported.trained.classes))
    network.load_state_dict(read_weights(str(folder / "alexnet.pth")), assign=True)
    return Plain(network, exported.about["mean"], exported.about["std"])


def _write_pt2(exported: Exported, folder: Path) -> None:
    program = _trace(exported)
    program.example_inputs = None  # they would be pickled
    torch.export.save(program, folder / "model.pt2", extra_files={"about.json": json.dumps(exported.about, indent=1)})


def _read_pt2(exported: Exported, folder: Path) -> Compute:
    path = folder / "model.pt2"
    check_not_pickled(path)
    return torch.export.load(path).module()


def check_not_pickled(path: Path) -> None:
    """Raises Failure if torch.export.load would unpickle a part of the file, which could run any code."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename
            inputs = "/sample_inputs/" in name and entry.file_size > 0
            if inputs or (name.endswith("_config.json") and _find_pickled(json.loads(archive.read(entry)))):
                raise Failure(f"{path}: this version of torch pickles a part of it ({name}), so it isn't read.")


def _find_pickled(value: Any) -> bool:
    """Whether it says anywhere in it that a part is pickled."""
    if isinstance(value, dict):
        return bool(value.get("use_pickle")) or any(map(_find_pickled, value.values()))
    return isinstance(value, list) and any(map(_find_pickled, value))


def _write_hub(exported: Exported, folder: Path) -> None:
    _write_safetensors(exported, folder)
    for name, text in model_card.write(exported.trained, exported.about, exported.license).items():
        (folder / name).write_text(text, encoding="utf-8")


def _read_hub(exported: Exported, folder: Path) -> Compute:
    return rebuild(model_card.read(folder), read_weights(str(folder / "model.safetensors")))


EXPORTERS = {
    "onnx": Exporter("onnxruntime", False, _write_onnx, _read_onnx, _check_onnx),
    "safetensors": Exporter("safetensors", True, _write_safetensors, _read_safetensors),
    "torchvision": Exporter("torchvision", True, _write_torchvision, _read_torchvision, _check_torchvision),
    "pt2": Exporter("torch.export", False, _write_pt2, _read_pt2),
    "hub": Exporter("safetensors and json", True, _write_hub, _read_hub),
}
