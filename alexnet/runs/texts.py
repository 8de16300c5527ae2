"""The texts in pictures, in each language. The console's are in messages/."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Texts:
    curve_title: str
    training_loss: str
    curve_x: str
    curve_batches: str
    curve_y: str
    validation_loss: str
    chosen: str
    curve_rate: str
    rates_title: str
    rates_x: str
    rates_mean: str
    rates_spread: str
    rates_suggestion: str
    training_error: str
    validation_error: str
    error: str
    epochs_to: str
    training: str
    validation: str
    others: str
    no_runs: str
    best_rows: str
    curves_note: str
    band_note: str
    points_note: str
    interval_note: str
    seeds_note: str
    left_out_note: str
    epoch: str
    true_class: str
    predicted_class: str
    confusion_titles: dict[str, str] = field(default_factory=dict)  # by the name of the split
    models: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)


TEXTS = {
    "en": Texts(
        curve_title="{} training loss",
        training_loss="training loss",
        curve_x="training batches (in windows of {})",
        curve_batches="training batches",
        curve_y="loss",
        validation_loss="validation loss",
        chosen="chosen: epoch {}",
        curve_rate="learning\nrate",
        rates_title="{} loss while the learning rate grows",
        rates_x="learning rate (grows in {} steps)",
        rates_mean="mean of {} seeds, smoothed",
        rates_spread="one standard deviation",
        rates_suggestion="suggested: {:g}",
        training_error="training error (%)",
        validation_error="validation error (%)",
        error="error (%)",
        epochs_to="epochs to {:g}% training error",
        training="training",
        validation="validation",
        others="{} others",
        no_runs="No run has finished yet.",
        best_rows="the best {} of {}",
        curves_note="Curves: mean over seeds.",
        band_note="Shaded: one standard deviation.",
        points_note="Dots: seeds. Circles: their mean.",
        interval_note="Bars: 95% interval of the mean.",
        seeds_note="{} seeds each.",
        left_out_note="Configurations without a finished run, not drawn: {}.",
        epoch="epoch",
        confusion_titles={
            "test": "Test images by class: {:.2f}% right",
            "validation": "Validation images by class: {:.2f}% right",
            "train": "Training images by class: {:.2f}% right",
        },
        true_class="true class",
        predicted_class="predicted class",
        models={"AlexNetCifar": "Simplified AlexNet"},
    ),
    "zh": Texts(
        curve_title="{}训练损失曲线",
        training_loss="训练损失",
        curve_x="训练批次 (每{}批)",
        curve_batches="训练批次",
        curve_y="损失",
        validation_loss="验证损失",
        chosen="选中: 第 {} 轮",
        curve_rate="学习率",
        rates_title="{}学习率增大时的损失",
        rates_x="学习率 (在 {} 步中增大)",
        rates_mean="{} 个种子的均值, 平滑后",
        rates_spread="一个标准差",
        rates_suggestion="建议: {:g}",
        training_error="训练错误率 (%)",
        validation_error="验证错误率 (%)",
        error="错误率 (%)",
        epochs_to="训练错误率降至 {:g}% 所需轮数",
        training="训练",
        validation="验证",
        others="其余 {} 个",
        no_runs="尚无完成的训练。",
        best_rows="最好的 {} 个, 共 {} 个",
        curves_note="曲线: 各随机种子的均值。",
        band_note="阴影: 一个标准差。",
        points_note="小点: 各随机种子。圆圈: 均值。",
        interval_note="短线: 均值的 95% 置信区间。",
        seeds_note="每组 {} 个种子。",
        left_out_note="没有完成的训练而未画出的配置: {}。",
        epoch="轮次",
        confusion_titles={
            "test": "测试集混淆矩阵 (准确率 {:.2f}%)",
            "validation": "验证集混淆矩阵 (准确率 {:.2f}%)",
            "train": "训练集混淆矩阵 (准确率 {:.2f}%)",
        },
        true_class="真实类别",
        predicted_class="预测类别",
        models={"AlexNetCifar": "简化版AlexNet"},
        metrics={
            "test_accuracy": "测试集准确率",
            "validation_accuracy": "验证集准确率",
            "training_accuracy": "训练集准确率",
            "best_loss": "最低训练损失",
            "final_loss": "最终训练损失",
            "seconds": "用时 (秒)",
            "training_seconds": "训练用时 (秒)",
            "test_seconds": "测试用时 (秒)",
            "images_per_second": "每秒图像数",
            "epochs": "轮数",
            "chosen_epoch": "选中的轮次",
            "error_gap": "错误率之差",
            "validation_loss": "验证集损失",
            "test_loss": "测试集损失",
            "test_error": "测试集错误率",
            "test_top5_error": "测试集前 5 错误率",
            "test_top5_accuracy": "测试集前 5 准确率",
            "test_images": "测试图像数",
            "parameters": "参数个数",
            "bytes_crossed_per_image": "每张图像传输的字节数",
        },
    ),
}


def find_chinese_font() -> Path:
    """Noto Sans SC, a file of the package zhplot."""
    from importlib.metadata import distribution  # slow to import, and few runs draw Chinese

    # The package is found but not imported, because its import would change the font of every figure.
    return Path(str(distribution("zhplot").locate_file("zhplot/fonts/NotoSansSC-Regular.ttf")))
