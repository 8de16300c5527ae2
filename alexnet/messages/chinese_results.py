"""The Chinese of comparisons, and of what is done with a trained network. chinese.py has the rest."""

RESULTS = {
    # a comparison's table
    "finished": "完成",
    "unfinished": "未完成",
    "failed": "失败",
    "diverged": "发散",
    "interrupted": "中断",
    "95% interval": "95% 区间",
    "n too small": "n 太小",
    "status": "状态",
    "folders": "目录",
    "folders in {}": "目录 {}",
    "data set": "数据集",
    "model": "模型",
    "rows": "行",
    "all": "全部",
    "{} of {}": "{} / {}",
    "1 table is {1}": "1 张表{1}",
    "{0} tables are {1}": "{0} 张表{1}",
    "Plot: {}": "图像: {}",
    "Page: {}": "网页: {}",
    "the others": "其余",
    "one run: {}": "一次运行: {}",
    "Nothing differs.": "没有不同之处。",
    "configuration": "配置",
    "usual": "常用值",
    "usual: {}; the other rows say what differs from it": "常用值: {}; 其他行只列出与此不同之处",
    # the notes under it
    "ordered by the accuracy on held-out training images; {} is only shown": (
        "按留出的训练图像的准确率排序; {}仅供参考"
    ),
    "ordered by test accuracy, so the best row's is too good; to choose without it: {}": (
        "按测试集准确率排序, 所以最好一行的准确率偏高; 若不想用测试集选择: {}"
    ),
    "Repeat with several seeds: {}": "请用多个种子重复: {}",
    "compare.py --verbose lists them": "compare.py --verbose 列出全部",
    "not averaged: {}": "未计入平均: {}",
    "{} repeated seed": "{} 个重复的种子",
    "{} repeated seeds": "{} 个重复的种子",
    "{}: averaged over {} {}; see --diff": "{}: 平均了不同的 {} ({}); 见 --diff",
    "averaged over several {}": "平均了不同的 {}",
    "{} (1 row)": "{} (1 行)",
    "{} ({} rows)": "{} ({} 行)",
    ": their training error never fell to {:g}%": ": 训练错误率从未降到 {:g}%",
    "; to compare them, too: {}": "; 若也要比较它们: {}",
    "{}: {} of {} finished runs have no {}{}": "{0}: {2} 次完成的运行中有 {1} 次没有 {3}{4}",
    "{} of {} finished runs in {} rows have no {}{}": "{2} 行的 {1} 次完成的运行中有 {0} 次没有 {3}{4}",
    ", by final_loss because no run has {}": ", 按 final_loss, 因为没有运行有 {}",
    "{} of the rows by final_loss, because their runs have no {}": "其中 {} 行按 final_loss, 因为其运行没有 {}",
    "{}: {} of {} runs stopped early, after {} epochs; their curves stay at their last values": (
        "{0}: {2} 次运行中有 {1} 次提前停止, 在 {3} 轮后; 其曲线保持最后的值"
    ),
    "runs stopped early in {} rows; their curves stay at their last values": (
        "{} 行中有提前停止的运行; 其曲线保持最后的值"
    ),
    "only the best of {}={} is shown{}": "只显示 {}={} 中最好的{}",
    "{} is at the edge of the values tried: the best may lie beyond": "{} 在所试值的边缘: 最好的值可能在其外",
    "n=1: one run has no spread.": "n=1: 单次运行没有离散程度。",
    "the best of several seeds is {}:": "多个种子中最好的是 {}:",
    "it": "它",
    "... and {} more such pairs": "... 另有 {} 对",
    "{} of the others share fewer than two seeds with {}: with n=1 a difference can't be told from chance.": (
        "其余中有 {} 个与 {} 的共同种子少于两个: n=1 时无法区分差异与偶然。"
    ),
    "{} against {}": "{} 与 {} 相比",
    "{}: they share no seed, so there is no paired difference.": "{}: 没有共同的种子, 所以没有配对差异。",
    "seed {}": "种子 {}",
    "seeds {}": "种子 {}",
    " points": " 个百分点",
    "{}; with n=1 a difference can't be told from chance.": "{}; n=1 时无法区分差异与偶然。",
    "over all that can be": "覆盖所有可能的值",
    "not distinguishable": "无法区分",
    "better": "更好",
    "worse": "更差",
    "{}, 95% interval {}: {} with n={}.": "{}, 95% 区间 {}: {}, n={}。",
    "the figures are those of each table's best row": "数字是每张表最好一行的",
    "long values are cut: --json has them": "较长的值已截短: --json 显示全部",
    "folders are cut: --json or a wider terminal has all": "文件夹名已截短: --json 或更宽的终端可看全部",
    "95% interval and folders are left out: --json or a wider terminal has them": (
        "省略了 95% 区间和文件夹: --json 或更宽的终端可看到"
    ),
    "the 95% interval is left out: --json or a wider terminal has it": "省略了 95% 区间: --json 或更宽的终端可看到",
    "folders are left out: --json or a wider terminal has them": "省略了文件夹: --json 或更宽的终端可看到",
    "left out: {}": "未计入: {}",
    "left out: {} is the same run as {}, not newer.": "未计入: {} 与 {} 是同一次运行, 且并不更新。",
    "left out: {} hasn't begun to train.": "未计入: {} 尚未开始训练。",
    "Sent: {} new, {} updated, {} unchanged.": "已发送: 新增 {} 个, 更新 {} 个, 未变 {} 个。",
    "Following until Ctrl-C.": "持续发送, 按 Ctrl-C 结束。",
    "left out: {} can't be listed: {}": "未计入: {} 无法列出: {}",
    "report.metrics: no run here has {}": "report.metrics: 这里没有运行有 {}",
    "The report in {} isn't complete: {}.": "{} 中的报告不完整: {}。",
    "Predicting": "预测",
    "Report: {}": "报告: {}",
    "{} of {} ok": "{} / {} 成功",
    # show.py
    "Drawn as {}, with the same as .svg and the figures as .json": "已绘制 {}, 另有 .svg 和含数据的 .json",
    "The images have one channel, so the kernels have no colours.": "图像只有一个通道, 因此卷积核没有颜色。",
    "Colour share of the kernels: {}.": "卷积核的颜色占比: {}。",
    "Colour share of the kernels: {} in the more colourful column, {} in the other.": (
        "卷积核的颜色占比: 较鲜艳的一列 {}, 另一列 {}。"
    ),
    "Difference beyond chance: {} points.": "超出偶然的差异: {} 个百分点。",
    "Dealt out by chance they would differ by {:.1f} points, as much as here in {:.1%} of deals.": (
        "若随机分配, 两列平均相差 {:.1f} 个百分点; {:.1%} 的随机分配不小于此处的差异。"
    ),
    "more colourful column": "颜色较多的一列",
    "the other": "另一列",
    "column {}": "第 {} 列",
    "{:.1f}% colour": "颜色 {:.1f}%",
    "colour share of a column's kernels (%)": "一列卷积核的颜色占比 (%)",
    "pixels": "像素",
    "by pixels": "按像素",
    "by {}": "按 {}",
    "Comparing": "比较",
    "nearest training images {}": "最近的训练图像 ({})",
    "{:.2f}% of {:,} test images right by the vote of {}": "{1:,} 张测试图像按 {2} 票分类, 正确 {0:.2f}%",
    "{}: {:.2f}% of {:,} test images right by the vote of their {} nearest of {:,} training images.": (
        "{0}: {2:,} 张测试图像按 {4:,} 张训练图像中最近的 {3} 张投票, 正确 {1:.2f}%。"
    ),
    "None of the {:,} test images is wrong.": "{:,} 张测试图像全部正确。",
    "{:,} of {:,} test images are wrong. The surest mistake: {} taken for {} with {:.1f}%.": (
        "{1:,} 张测试图像中 {0:,} 张错误。最有把握的错误: {2} 被认作 {3}, {4:.1f}%。"
    ),
    "Below each image: its class, then the class predicted and its probability": "图下: 真实类别, 预测类别及其概率",
    "{:.0f}% taken for {}": "{:.0f}% 被认作 {}",
    "wrong test images of the class (%); orange: those taken for the class named": (
        "该类的错误测试图像 (%); 橙色: 被认作所写类别的"
    ),
    "{} of {:,} test images by PCA: two components with {:.1f}% of the variance": (
        "{1:,} 张测试图像的 {0}, PCA: 两个主成分占方差的 {2:.1f}%"
    ),
    "{} of {:,} test images by t-SNE: perplexity {:g}; distances between groups mean nothing": (
        "{1:,} 张测试图像的 {0}, t-SNE: 困惑度 {2:g}; 各群之间的距离没有意义"
    ),
    "{}: deletion score {:.3f}, {:.3f} in random order, lower by {:.3f}{}": (
        "{}: 删除得分 {:.3f}, 随机顺序 {:.3f}, 低 {:.3f}{}"
    ),
    "occlusion": "遮挡",
    "random": "随机",
    "probability as cells are removed": "逐格移除时的概率",
    "Frames: blue around an image of the same class, orange around one of another class.": (
        "边框: 蓝色为同一类别, 橙色为其他类别。"
    ),
    "Red speaks for the class, blue against it. The score is the area under the curve: low is good.": (
        "红色支持该类别, 蓝色反对。得分为曲线下的面积: 越低越好。"
    ),
    # a range test of the learning rate, and a batch that is to be learnt
    "Learning rates": "学习率",
    "Seed {}: diverged at {:.2g}": "种子 {}: 在 {:.2g} 处发散",
    "Seed {}: not diverged at {:.2g}": "种子 {}: 在 {:.2g} 处未发散",
    "Loss: {:.3f} at first, lowest {:.3f} at {:.2g}": "损失: 开始 {:.3f}, 最低 {:.3f} (学习率 {:.2g})",
    "Written: {}: find_lr.png, find_lr.csv, find_lr.json": "已写入: {}: find_lr.png, find_lr.csv, find_lr.json",
    "Suggested: optimizer.lr={:g}": "建议: optimizer.lr={:g}",
    "To check it: {}": "检验: {}",
    "Overfitted: {} images are learnt in {} steps, loss {:.2g}, {:.1f}% right": (
        "已过拟合: {} 张图像在 {} 步中学会, 损失 {:.2g}, 正确率 {:.1f}%"
    ),
}
