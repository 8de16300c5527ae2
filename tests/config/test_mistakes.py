"""A typing mistake is answered by one message, before any work."""

import pytest
import torch

from alexnet.config.checks import check_run
from alexnet.config.compose import checking, compose_config
from alexnet.config.machine import check_machine, may_have_gpu
from alexnet.runs.folder import Run
from alexnet.training.job import execute

# What is typed, and a part of the message.
MISTAKES = [
    (["model=alexnet_cifr"], "did you mean alexnet_cifar?"),
    (["experiment=quickstrt"], "did you mean quickstart?"),
    (["experiment=relu"], "did you mean paper/relu?"),
    (["experiment=paper/relu", "report.metrics=test_error"], "expected a list of names"),
    (["epochs='3'"], "epochs='3' (text): expected a whole number"),
    (["dataset.flip='true'"], "dataset.flip='true' (text): expected true, false or alternate"),
    (["epochs=null"], "epochs=null: expected a whole number"),
    (["hydra.job.num=abc"], "hydra.job.num=abc: expected a whole number."),
    (["hydra.run.dir=[1]"], "hydra.run.dir=[1]: expected one text."),
    (["hydra.job.chdir=maybe"], "hydra.job.chdir=maybe: expected true or false."),
    (["model=alexnet,cuda_convnet"], "model=alexnet,cuda_convnet: give one value, or -m for a run for each."),
    (["tags=a,b"], "tags=a,b: give one value, a list as tags=[a,b], or -m for a run for each."),
    (["device=gpu"], "did you mean cuda?"),
    (["hydra/launcher=cluster"], "there are basic, parallel, ray, slurm."),
    (["hydra/sweeper=optuna"], "there are basic, search."),
    (["+model=x"], "there are alexnet, alexnet_2012, alexnet_2012_one_gpu, alexnet_cifar, cuda_convnet."),
    (["+report.foo=3"], "report.foo isn't a key of this configuration; there are best_of, metrics"),
    (["hydra.callbacks.alexnet.best_of=seed"], "did you mean report.best_of?"),
    (["dataset=digits", "dataset.cutout=32"], "dataset.cutout=32 hides all of an image: give less than"),
    (["dataset=digits", "dataset.progressive=[20,40]"], "expected sizes below dataset.size=32, not 40"),
    (["dataset=digits", "dataset.crop=32"], "dataset.crop=32 leaves crops nothing of the image: give less than"),
    (["experiment=paper/rellu"], "experiment=paper/rellu: there is no such experiment; did you mean paper/relu?"),
    (["patience=3"], "patience=3 watches held-out images, and there are none: give dataset.validation=0.1."),
    (["cutmix=0.5", "mixup=0.6"], "cutmix=0.5 and mixup=0.6 are more than all steps: expected at most 1 in all."),
    (["ema=1"], "ema=1: expected a number from 0 to 1, 1 excluded"),
    (["clip_norm=0"], "clip_norm=0: expected a number above 0, or null"),
    (["accumulate=3", "device.shards=4"], "accumulate=3 and device.shards=4 contradict each other"),
    (["accumulate=65"], "accumulate=65: batch_size=64 has too few images for that"),
    (["modl=alexnet_cifar"], "did you mean model?"),
    (["optimizer.lrr=0.1"], "did you mean optimizer.lr?"),
    (["epoch=3"], "did you mean epochs?"),
    (["+epoch=3"], "did you mean epochs?"),
    (["model=null"], "for example model=alexnet_cifar"),
    (["optimizer.lr=fast"], "optimizer.lr=fast: expected a number above 0, for example optimizer.lr=0.001"),
    (["optimizer.lr=-0.1"], "expected a number above 0"),
    (["optimizer.lr=0"], "expected a number above 0"),
    (["optimizer.lr=nan"], "expected a number above 0"),
    (["batch_size=0"], "expected a whole number, 1 or more, for example batch_size=64"),
    (["batch_size=-64"], "expected a whole number"),
    (["epochs=0"], "expected a whole number"),
    (["epochs=-1"], "expected a whole number"),
    (["epochs=1.5"], "epochs=1.5: expected"),
    (["epochs=true"], "epochs=true: expected"),
    (["seed=-1"], "expected a whole number, 0 or more"),
    (["optimizer.momentum=1"], "expected a number from 0 to 1, 1 excluded"),
    (["optimizer.momentum=-0.1"], "expected a number from 0 to 1, 1 excluded"),
    (["model.dropout=1"], "expected a number from 0 to 1, 1 excluded"),
    (["dataset.validation=1"], "expected a number from 0 to 1, 1 excluded"),
    (["dataset.std=0"], "expected a number above 0, or a list of these"),
    (["dataset.flip=maybe"], "expected true, false or alternate"),
    (["language=fr"], "expected one of en, zh"),
    (["schedule=cosine", "schedule.warmup=30"], "less than the run's epochs=30"),
    (["optimizer.nesterov=true", "optimizer.momentum=0"], "optimizer.momentum=0.9"),
    (["dataset=image_folder"], "dataset.root has no value"),
    (["model.activation=???"], "model.activation has no value: give model.activation=VALUE"),
    (["model.activation=[relu]"], "expected one of relu, tanh, gelu, for example model.activation=relu"),
    (["model.activation=silu"], "model.activation=silu: expected one of relu, tanh, gelu"),
    (["model.normalisation=layer"], "expected one of none, batch, lrn"),
    (["model.columns=3"], "model: columns=3: expected 1 or 2"),
    (["model.columns=2", "model.kernels=[64,192,384,256,255]", "dry_run=true"], "each divisible by columns=2"),
    (["model.kernels=[64,192,384,256,100000000000000000]"], "five whole numbers from 1 to 65536"),
    (["model.kernel_sizes=[5,5,3,3]"], "five odd numbers from 1 to 15"),
    (["model.kernel_sizes=[5,4,3,3,3]"], "five odd numbers from 1 to 15"),
    (["model.pool_after=[1,2,4]"], "three convolutions in order, the last 5"),
    (["model.pool_after=[3,2,5]"], "three convolutions in order, the last 5"),
    (["model.pool_after=2"], "three convolutions in order, the last 5"),
    (["model.pool_to=0"], "pool_to=0: expected null or a whole number from 1 to 15"),
    (["model.hidden=4095", "model.columns=2"], "divisible by columns=2"),
    (["model.hidden=0"], "hidden=0: expected a whole number from 1 to 65536"),
    (["dataset=digits", "dataset.size=128"], "too large for alexnet_cifar: give model=alexnet, or dataset.size=127"),
    (["dataset=digits", "dataset.size=8"], "dataset.size=15"),
    (["dataset=digits", "model=cuda_convnet", "dataset.size=3"], "dataset.size=8"),
    (["dataset.size=1000000"], "expected a whole number from 1 to 4096"),
    (["device.threads=1000000000"], "expected a whole number from 1 to 1024, or null"),
    (["device.workers=1000000000"], "expected a whole number from 0 to 1024"),
    (["dataset._target_=os.system"], "os.system"),
    (["dataset=image_folder", "dataset.root=图像(1)", "epochs=0"], "epochs=0"),
    (["optimizer.lr=[1"], "optimizer.lr=[1: expected"),
    (["~seed"], "seed is missing: give seed=0"),
    (["epochs={a: 1}"], "epochs={'a': 1} is a mapping: expected a whole number, 1 or more"),
    (["optimizer.lr={}"], "optimizer.lr={} is a mapping: expected a number above 0"),
    (["dataset.mean={lr: 0.5}"], "is a mapping: expected a number, or a list of these, or null"),
    (["optimizer=adam", "optimizer.betas=[0.9]"], "optimizer.betas=[0.9]: expected a list of two numbers"),
    (["optimizer=adam", "optimizer.betas=0.9"], "expected a list of two numbers from 0 to 1"),
    (["optimizer=adam", "optimizer.betas=[0.9,0.9,0.9]"], "expected a list of two numbers from 0 to 1"),
    (["schedule=step", "~schedule.every"], "schedule.every is missing: give schedule.every=10"),
    (["~device.name"], "device.name is missing: give device.name=auto"),
    (["dataset.download=false", "dataset.root=nowhere"], "there is no such folder, and dataset.download=false"),
    (["+optimizer.nesterow=true"], "optimizer.nesterow isn't an option of SGD; did you mean nesterov?"),
    (["+model.classes=3"], "model.classes isn't supported here as an option of AlexNetCifar"),
    (["+device.presicion=bf16"], "did you mean precision?"),
    (
        ["experiment=best", "schedule=constant"],
        "there are none. If an experiment set it, remove it with ~schedule.rise ~schedule.start",
    ),
    (["dataset=digits", "dataset.mean=[0.1,0.2]"], "one for each of 3 channels"),
    (["dataset=fashion_mnist", "dataset.std=[0.1,0.2,0.3]"], "expected one number."),
    (["dataset.components=[[1,2],[3,4]]"], "expected 3 rows of 3 numbers"),
    (["dataset=digits", "dataset.validation=0.0001"], "dataset.validation=0.1"),
    (["dataset=digits", "dataset.validation=0.9999"], "dataset.validation=0.1"),
    (["dataset=digits", "dataset.share=0.0001"], "is none: give more, up to 1 for all"),
    (["dataset=digits", "batch_size=1438"], "batch_size=1437 or less"),
    (["dataset=digits", "batch_size=1000", "dataset.validation=0.1", "dataset.share=0.5"], "batch_size=646 or less"),
    (["dataset=image_folder", "dataset.root=nowhere"], "nowhere/train/CLASS/IMAGE"),
    (["dataset=digits", "model=cuda_convnet", "dataset.progressive=[20]"], "cuda_convnet doesn't take images of 20x20"),
    (["dataset=digits", "dataset.progressive=[20,6]"], "alexnet_cifar doesn't take images of 6x6"),
    (["dataset=digits", "dataset.progressive=20"], "expected a list of whole numbers above 0"),
    (["model=alexnet", "dataset.size=224", "model.weights=nowhere.pth"], "weights=nowhere.pth: there is no such file"),
    (["+optimizer.dampening=-2", "optimizer.nesterov=true"], "leave out optimizer.dampening"),
    (["optimizer=adam", "+optimizer.eps=-1"], "optimizer.eps=-1: expected a number above 0"),
    (
        ["optimizer=adam", "+optimizer.capturable=true"],
        "optimizer.capturable isn't supported here as an option of Adam",
    ),
    (["+optimizer.foreach=yes"], "expected true or false, or null"),
    (["+optimizer.differentiable=true"], "optimizer.differentiable isn't supported here as an option of SGD"),
    (["device=cpu", "dataset=digits", "device.precision=tf32"], "Give device.precision=auto or float32"),
    (["device.columns=[cpu,cpu]"], "the network has 1: give two, with model=alexnet_2012 or model.columns=2"),
    (["device.columns=cpu"], "for example device.columns=[cuda:0,cuda:1]"),
    (["epochs"], "'epochs': expected KEY=VALUE, such as optimizer.lr=0.01"),
    ([""], "'': expected KEY=VALUE"),
    (["dataset.url=cifar.tar.gz"], "expected an address, such as https://host/file, or null"),
    ([f"dataset.root={__file__}"], "is a file: expected the folder that has the data"),
    (["dataset=image_folder", f"dataset.root={__file__}"], "is a file: expected the folder that has the data"),
]
# Those that only the program answers.
OF_THE_COMMAND_LINE = [
    (["experiment=paper/relu", "report.best_of=optimizer.rate"], "did you mean optimizer.lr?"),
    (["-m", "seed=0,1", "report.best_of=seed"], "report.best_of=seed: not a key that tells runs apart"),
    (["-m", "seed=0,1", "~report"], "a sweep needs report.metrics=[NAME,...]"),
    (["-m", "seed=0,1", "report=3"], "report=3: a sweep needs report.metrics=[NAME,...]"),
    (["-m", "report.best_of=seed,epochs"], "says how to launch the whole sweep, so give one value"),
    (["-m", "dry_run=true,false"], "says how to launch the whole sweep, so give one value"),
    (["--verbose"], "--verbose: an option has no dashes: give console=verbose"),
    (["epochs=2", "-q"], "-q: an option has no dashes: give console=quiet"),
    (["--dry-run"], "--dry-run: an option has no dashes: give dry_run=true"),
    (["--epochs=3"], "give epochs=3"),
    (["-m", "seed=0,1", "hydra.launcher.jobs=2"], "a setting of hydra/launcher=parallel: give that, too."),
    (["-m", "seed=0,1", "hydra.launcher.gpus=1"], "a setting of hydra/launcher=slurm or ray: give that, too."),
    (["-m", "lr=0.1,0.2"], "did you mean optimizer.lr?"),
    (["-m", "experiment=paper/lrn,paper/pooling"], "paper/lrn is itself a sweep"),
    (["-m", "dataset=digits", "dataset.size=32,8"], "too small for alexnet_cifar"),
    (["hydra.run.dir="], "hydra.run.dir=FOLDER"),
    (["hydra.run.dir=/dev/null/outputs"], "hydra.run.dir=FOLDER"),
    (["-m", "optimizer.lr=0.1,-1"], "optimizer.lr=-1"),
    (["-m", "optimizer=sgd,adan"], "did you mean adam"),
    (["-m", "seed={a: 1},2"], "is a mapping: expected a whole number, 0 or more"),
    (["-m", "seed=range(0,0)"], "this sweep has no job"),
    (["seed=0", "-m", "epochs=0,1"], "epochs=0: expected a whole number, 1 or more"),
    (["-m", "hydra.launcher=null", "seed=0,1"], "expected hydra/launcher=NAME, such as hydra/launcher=basic"),
    (["-m", "hydra.sweeper=null", "seed=0,1"], "expected hydra/sweeper=NAME, such as hydra/sweeper=basic"),
    *((["-m", f"hydra.sweep.subdir={to}"], "inside the sweep's") for to in ("../x", "/x", ".x", ".", "a/.x")),
]
TYPED = [*OF_THE_COMMAND_LINE, *MISTAKES[::9]]


@pytest.mark.parametrize("typed, said", MISTAKES, ids=[" ".join(typed) for typed, _ in MISTAKES])
def test_a_mistake_in_a_value_is_one_sentence(capsys, typed, said):
    with pytest.raises(SystemExit) as ended, checking():
        config, _ = compose_config(typed)
        check_run(config)
        check_machine(config)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert said in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize("typed, said", TYPED, ids=[" ".join(typed) for typed, _ in TYPED])
def test_a_mistake_is_one_message_before_any_work(train, tmp_path, typed, said):
    done = train(*typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())  # not even a folder


@pytest.mark.parametrize(
    "typed, said",
    [
        (["batch_size=25"], "24 images"),
        (["dataset.share=0.02"], "is none"),
        (["dataset.share=1e-320"], "is none"),
        (["dataset.validation=1e-20"], "leaves 24 to train on and 0 to validate on"),
        (["dataset.root=images/train/dark"], "no train folder"),
        (["dataset.root=images/empty"], "found no images in class folders"),
    ],
)
def test_an_image_folder_with_too_few_images_is_refused_at_once(train, small, images, tmp_path, typed, said):
    for split in ("train", "test"):
        (images / "empty" / split / "dark").mkdir(parents=True)
    done = train(*small, *typed)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


# These are found only when the data is read, so the run's folder is there and says it, too.
LATE_MISTAKES = [
    (["batch_size=25"], "batch_size=25 is more than the 24 images to train on: give batch_size=24 or less"),
    (["dataset.validation=0.01"], "leaves 24 to train on and 0 to validate on"),
]


@pytest.mark.parametrize("typed, said", LATE_MISTAKES, ids=[" ".join(typed) for typed, _ in LATE_MISTAKES])
def test_a_mistake_about_the_data_is_recorded_in_the_runs_folder(compose, small, tmp_path, capsys, typed, said):
    run = Run(tmp_path)
    assert execute(compose(*small, *typed), run) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
    assert said in run.result()["reason"] and run.result()["status"] == "failed"
    assert not run.windows()


def test_values_that_a_search_draws_are_checked_in_the_run(compose, small, tmp_path, capsys):
    run = Run(tmp_path)
    assert execute(compose(*small, "optimizer.lr=-1"), run, checked=False) == 2
    assert "optimizer.lr=-1: expected a number above 0" in capsys.readouterr().err
    assert run.result()["status"] == "failed"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU here")
def test_cuda_on_a_machine_without_it(train, tmp_path):
    done = train("dataset=digits", "device=cuda")
    assert done.returncode == 2 and "device=cpu" in done.stderr and done.stderr.count("\n") == 1
    assert may_have_gpu() or not list(tmp_path.iterdir())
    assert train("dataset=digits", "device=cuda", "dry_run=true").returncode == 0  # elsewhere there may be one
