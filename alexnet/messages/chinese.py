"""What the console says, in Chinese, under the English that the code has. The tutorial's own lines are the original's.

Messages of a person's mistakes aren't here: they are in English, whatever the language.
"""

from alexnet.messages.chinese_results import RESULTS

CHINESE = {
    **RESULTS,
    # before the first step
    "Run folder: {}": "运行目录: {}",
    "Device: {} ({}), {}": "设备: {} ({}), {}",
    "{:,} to train": "训练 {:,} 张",
    ", {:,} to validate": ", 验证 {:,} 张",
    "Processes: {}, each with {} of {} shares of a batch": "进程: {} 个, 每个计算每批 {} 份 (共 {} 份)",
    "{} processes share {} processor cores: fewer would be faster.": (
        "{} 个进程共用 {} 个处理器核心: 进程少一些会更快。"
    ),
    "Process {} on {} has {} {}, and process 0 has {}: the numbers may depend on it.": (
        "{1} 上的进程 {0} 的 {2} 是 {3}, 而进程 0 的是 {4}: 数值可能受其影响。"
    ),
    "Images: {}, {:,} to test; classes: {:,}": "图像: {}, 测试 {:,} 张; 共 {:,} 类",
    "Network: {}, {:,} parameters": "网络: {}, {:,} 个参数",
    "Extracting": "提取特征",
    "Probing": "线性探测",
    "fit": "次拟合",
    "{} images, layers {}: {}": "{} 张图像, 各层 {}: {}",
    "The run's device isn't here: another one is used.": "训练所用的设备不在本机, 改用其他设备。",
    "The same command continues where this one was.": "再次运行同一命令即可从中断处继续。",
    "Weights: {} from {}": "权重: {} 来自 {}",
    "Weights: {} from {}, new: {}": "权重: {} 来自 {}, 新建: {}",
    "Not trained: {}": "不训练: {}",
    "{} to {}": "{} 到 {}",
    "{} doesn't fit: {} there, {} here.": "{} 不匹配: 来源为 {}, 这里为 {}。",
    "conv1's kernels are the sums over 3 channels.": "conv1 的卷积核是 3 个通道之和。",
    "conv1's kernels are repeated for 3 channels and divided by 3.": "conv1 的卷积核复制到 3 个通道并除以 3。",
    "Epochs: {}; batches an epoch: {:,}; images a batch: {:,}": "训练: {} 轮, 每轮 {:,} 批, 每批 {:,} 张图像",
    "The first steps compile the network, which can take minutes.": "最初几步要编译网络, 可能需要几分钟。",
    "Versions: {}": "版本: {}",
    "Source: commit {}{}": "源代码: 提交 {}{}",
    ", changed since": ", 之后有改动",
    "Data: SHA-256 {}": "数据: SHA-256 {}",
    "Threads: {} of {}": "线程: {} / {}",
    "Optimizer: {}": "优化器: {}",
    "Schedule: {}": "学习率计划: {}",
    "Weights: {} {} = {:,}": "权重: {} {} = {:,}",
    "Resuming after epoch {}.": "从第 {} 轮之后继续训练。",
    "Resuming in epoch {}, after batch {}.": "从第 {} 轮第 {} 批之后继续训练。",
    "Resuming from the checkpoint before it.": "从前一个检查点继续训练。",
    "Training from epoch 1.": "从第 1 轮开始训练。",
    "No checkpoint is left: training from epoch 1.": "没有剩下的检查点: 从第 1 轮开始训练。",
    "Not used from a folder, so give it again if you want it: {}": "不从文件夹中读取, 如需要请重新给出: {}",
    "Your own code has changed since the run was trained so far: {}": "您自己的代码在此次训练开始后已更改: {}",
    "{} so far as in a run with epochs={}: the end will differ from that of a run with epochs={} from the start.": (
        "{} 至今按 epochs={} 的训练变化: 结果将不同于一开始就用 epochs={} 的训练。"
    ),
    # the data
    "Listing": "查找文件",
    "Reading": "读取",
    "Decoding": "解码",
    "Measuring": "测量",
    "Downloading": "下载",
    "Testing": "测试",
    "file": "个文件",
    "class": "类",
    "image": "张",
    "batch": "批",
    "B": "B",
    "{}: {} of {}, {} left": "{}: {} / {}, 剩余 {}",
    "Measuring the colours of {:,} of {:,} training images.": "测量 {1:,} 张训练图像中 {0:,} 张的颜色。",
    "Downloading {} to {}": "下载 {} 到 {}",
    "Another run{} is preparing {}: waiting for it.": "另一个运行{}正在准备 {}: 等待中。",
    "{} is damaged or incomplete (its MD5 isn't {}) and is not used.": "{} 已损坏或不完整 (MD5 不是 {}), 不使用。",
    "{} is damaged or incomplete and is not used.": "{} 已损坏或不完整, 不使用。",
    "The hashes of the images aren't kept in dataset.cache={}: {}": "图像的哈希值未保存到 dataset.cache={}: {}",
    "The decoded images aren't kept in dataset.cache={}: {}": "解码后的图像未保存到 dataset.cache={}: {}",
    "The decoded images take {:.1f} GiB, over dataset.memory_share={}: streaming.": (
        "解码后的图像需要 {:.1f} GiB, 超过 dataset.memory_share={}: 改为流式读取。"
    ),
    "{} is damaged or gone. Images that aren't whole in it are decoded again from their files, so far {}.": (
        "{} 已损坏或丢失。其中不完整的图像从原文件重新解码, 至今 {} 张。"
    ),
    # training
    "Epoch {}/{}:": "轮次 {}/{}:",
    "train loss {:.3f} acc {:.1f}%": "训练损失 {:.3f} 准确率 {:.1f}%",
    "val {:.3f} {:.1f}%": "验证 {:.3f} {:.1f}%",
    "lr {:.3g}": "lr {:.3g}",
    "{:.0f} img/s": "{:.0f} 张/秒",
    "{} left": "剩余 {}",
    "Nothing is learnt yet: loss {:.3f}, guessing has {:.3f}. Try another optimizer.lr.": (
        "尚未学到任何东西: 损失 {:.3f}, 随机猜测为 {:.3f}。请换一个 optimizer.lr。"
    ),
    "Loss {:.4g} is far above that of guessing, {:.3f}. Try a lower optimizer.lr.": (
        "损失 {:.4g} 远高于随机猜测的 {:.3f}。请降低 optimizer.lr。"
    ),
    "Nothing is learnt yet: loss {:.3f}, guessing {:.3f}. Try optimizer.new_layers=1.": (
        "尚未学到任何东西: 损失 {:.3f}, 随机猜测 {:.3f}。请用 optimizer.new_layers=1。"
    ),
    "Loss {:.4g} is far above guessing, {:.3f}. Try optimizer.new_layers=1.": (
        "损失 {:.4g} 远高于随机猜测的 {:.3f}。请用 optimizer.new_layers=1。"
    ),
    "Checkpoint: epoch {}, {:.2f} s": "检查点: 第 {} 轮, {:.2f} 秒",
    # the end
    "Training finished.": "训练完成！",
    "Validation chose epoch {} of {}: validation accuracy {:.2f}%": (
        "验证集选中第 {} 轮 (共 {} 轮): 验证集准确率 {:.2f}%"
    ),
    "Test accuracy: {:.2f}%": "测试集准确率: {:.2f}%",
    "Training curve saved to: {}": "训练损失曲线已保存为: {}",
    "Weights saved to: {} (epoch {})": "权重已保存为: {} (第 {} 轮)",
    "Test them again: {}": "重新测试: {}",
    "Not tested yet (test=false). To test: {}": "尚未测试 (test=false)。测试: {}",
    "The test deletes the weights (keep=none).": "测试后权重将被删除 (keep=none)。",
    "No weights are kept (keep=none). To train them again: {}": "未保留权重 (keep=none)。重新训练: {}",
    "To resume it: {}": "继续训练: {}",
    "{}/result.json can't be written: {}": "{}/result.json 无法写入: {}",
    "{0} is finished, with epochs={1}. To extend it: epochs=N with N above {1}.": (
        "{0} 已完成, epochs={1}。要延长训练: epochs=N, N 大于 {1}。"
    ),
    "{} is finished, with epochs={}.": "{} 已完成, epochs={}。",
    "{} stopped early, with patience={}. To train on: patience=null.": (
        "{} 已提前停止, patience={}。要继续训练: patience=null。"
    ),
    "Stopped early: no better validation accuracy in {} epochs.": "提前停止: {} 轮内验证准确率没有提高。",
    "Tested: the moving average of the weights (ema={})": "测试的是: 权重的滑动平均 (ema={})",
    # sweeps
    "{} is there already: this is {}.": "{} 已存在: 这次是 {}。",
    "Sweep of 1 job in {1}": "扫描: 1 个任务, 目录 {1}",
    "Sweep of {0} jobs in {1}": "扫描: {0} 个任务, 目录 {1}",
    "job {}": "任务 {}",
    "job {} of {}": "任务 {}/{}",
    "job {}: {}": "任务 {}: {}",
    ", about {} left": ", 约剩 {}",
    "Jobs {} and {} are the same: {}": "任务 {} 和 {} 相同: {}",
    "{} starts in {}{}": "{} 开始于 {}{}",
    "{} finished{}{}": "{} 完成{}{}",
    "test {:.2f}%": "测试 {:.2f}%",
    "val {:.2f}%": "验证 {:.2f}%",
    "Jobs at a time: {}, each with {}": "同时运行 {} 个任务, 各用 {}",
    "Another number gives slightly other weights: to get these in a serial sweep, give {}": (
        "线程数不同, 权重会略有不同: 要在串行扫描中得到同样的权重, 请给出 {}"
    ),
    "Searching for the best validation accuracy (trials: {}): {}": "搜索最好的验证集准确率, 共 {} 次试验: {}",
    "{} {} to {}": "{} {} 到 {}",
    "{} {} to {} (log)": "{} {} 到 {} (对数)",
    "{} is done: {}": "{} 已结束: {}",
    "Process {} hasn't begun yet: waiting for it": "进程 {} 尚未开始: 正在等待",
    "Waiting for jobs that other programs run: {}": "等待其他程序正在运行的任务: {} 个",
    "Watching for {:.0f} s whether {} still trains in {}": "观察 {:.0f} 秒, 看 {} 是否仍在 {} 中训练",
    "{} was taken over by {}, because this program stood still.": "{} 已由 {} 接手, 因为本程序曾停顿。",
    "It ends now. To go on with other jobs, give the command again.": "本程序现在结束。要继续其他任务, 请重新运行。",
    "To try again what failed: {}": "重试失败的任务: {}",
    "{} ended early: {}": "{} 提前结束: {}",
    "{} ended early, with exit status {}{}.": "{} 提前结束, 退出码 {}{}。",
    "; {} says why": "; 原因见 {}",
    "{} was killed by {}. {}": "{} 被 {} 终止。{}",
    "If memory ran out, run fewer at once with hydra.launcher.jobs.": (
        "若内存不足, 用 hydra.launcher.jobs 减少同时运行的任务。"
    ),
    "{} is in Slurm's queue: {}": "{} 在 Slurm 队列中: {}",
    "{} waits until the Ray cluster has room": "{} 等待 Ray 集群有空闲资源",
    "killed by {}, perhaps because its node's memory ran out": "被 {} 终止, 可能是节点内存不足",
    "Ray says: {}": "Ray 报告: {}",
    "the node {} doesn't have the folder {}: all nodes need the sweep's disk": (
        "节点 {} 上没有文件夹 {}: 所有节点都需要能访问该扫描所在的磁盘"
    ),
    "1 job in {1}, {2}; nothing was run": "1 个任务, 目录 {1}, {2}; 未运行",
    "{0} jobs in {1}, {2}; nothing was run": "{0} 个任务, 目录 {1}, {2}; 未运行",
    "{} of disk": "占用磁盘 {}",
    " ({} while training)": " (训练时 {})",
    ", and {} of decoded images in {}": ", 另有 {} 解码后的图像在 {}",
    "also tested, as the best of fewer trials: job {}": "此前试验较少时最好的任务也已测试: 任务 {}",
    "job {} can't be tested: {}": "任务 {} 无法测试: {}",
    "All checkpoints stay in {}: {}": "检查点全部留在 {}: {}",
    "best of {} trials: job {}, validation accuracy {:.2f}%: {}": (
        "{} 次试验中最好的: 任务 {}, 验证集准确率 {:.2f}%: {}"
    ),
    "The search is done; for more trials: hydra.sweeper.trials=N with N above {}.": (
        "搜索已完成; 要更多试验: hydra.sweeper.trials=N, N 大于 {}。"
    ),
}
