#!/usr/bin/env bash
# What has to be seen on a GPU, in about ten minutes: bash benchmarks/gpu.sh path/to/cifar10-jpeg outputs/gpu
# The second folder gets a text for each step. best_gpu is trained, and a ResNet-18 on the same images to compare it with:
# *_held_out.txt has what both reach, one view of each image, last weights.
set -euo pipefail
if [ $# -ne 2 ] || [ ! -d "$1/train" ] || [ -e "$2" ]; then
  echo "expected a folder with train/CLASS/IMAGE, and a new folder: bash benchmarks/gpu.sh path/to/jpeg outputs/gpu" >&2
  exit 2
fi
data=(dataset=image_folder "dataset.root=$1" dataset.validation=0.1)
folder=$2
mkdir -p "$folder"

failed=0
note() { # NAME COMMAND...: its output goes to the terminal and into NAME.txt; after a failure the rest goes on
  echo "== ${*:2}"
  "${@:2}" 2>&1 | tee "$folder/$1.txt" || { echo "exit status $?: ${*:2}" && failed=1; }
}
note tests python -m pytest -q tests/engine/test_cuda_graph.py tests/engine/test_half_weights.py
note speed python benchmarks/benchmark.py --batch-size 64 --seconds 2 --profile
note speed_compiled python benchmarks/benchmark.py --batch-size 64 --seconds 2 --profile device.compile=true
for recipe in best_gpu resnet18; do
  note $recipe python scripts/train.py --config-dir benchmarks/resnet experiment=$recipe "${data[@]}" \
    "hydra.run.dir=$folder/$recipe" dataset.views=10
  note ${recipe}_held_out python scripts/evaluate.py "$folder/$recipe" --split validation --weights last \
    --config-dir benchmarks/resnet
done
note prediction python benchmarks/prediction.py "$folder/best_gpu"
note prediction_1024 python benchmarks/prediction.py "$folder/best_gpu" --batch-size 1024
exit $failed
