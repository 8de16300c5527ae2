"""The texts that the program prints and draws, in each language. The Chinese texts are the original tutorial's."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Texts:
    finished: str
    test_accuracy: str
    plot_saved: str
    curve_title: str
    curve_label: str
    curve_x: str
    curve_y: str
    training_error: str
    epoch: str
    confusion_title: str
    true_class: str
    predicted_class: str
    models: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)


TEXTS = {
    "en": Texts(
        finished="Training finished.",
        test_accuracy="Test accuracy: {:.2f}%",
        plot_saved="Training curve saved to: {}",
        curve_title="{} training loss",
        curve_label="training loss",
        curve_x="training batches (in windows of {})",
        curve_y="loss",
        training_error="training error %",
        epoch="epoch",
        confusion_title="Test images by class: {:.2f}% right",
        true_class="true class",
        predicted_class="predicted class",
        models={"AlexNetCifar": "Simplified AlexNet"},
    ),
    "zh": Texts(
        finished="训练完成！",
        test_accuracy="测试集准确率: {:.2f}%",
        plot_saved="训练损失曲线已保存为: {}",
        curve_title="{}训练损失曲线",
        curve_label="训练损失",
        curve_x="训练批次 (每{}批)",
        curve_y="损失",
        training_error="训练错误率 %",
        epoch="轮次",
        confusion_title="测试集混淆矩阵 (准确率 {:.2f}%)",
        true_class="真实类别",
        predicted_class="预测类别",
        models={"AlexNetCifar": "简化版AlexNet"},
        metrics={"test_accuracy": "测试集准确率"},
    ),
}


def find_chinese_font() -> Path:
    """Noto Sans SC, a file of the package zhplot."""
    from importlib.metadata import distribution  # slow to import, and few runs draw Chinese

    # The package is found but not imported, because its import would change the font of every figure.
    return Path(str(distribution("zhplot").locate_file("zhplot/fonts/NotoSansSC-Regular.ttf")))
