# The training in a container, without a GPU. The second line trains the quickstart into outputs/ of the current folder:
#   docker build -t alexnet .
#   mkdir -p outputs && docker run --rm --init --user "$(id -u):$(id -g)" -v "$PWD/outputs:/alexnet/outputs" alexnet
# For an NVIDIA GPU, with its container toolkit:
#   docker build -t alexnet --build-arg TORCH= .
#   mkdir -p outputs && docker run --rm --init --gpus all --user "$(id -u):$(id -g)" -v "$PWD/outputs:/alexnet/outputs" alexnet
FROM python:3.13-slim
# Where torch without CUDA is. PyPI's has it, and takes 4 GB more.
ARG TORCH="--extra-index-url https://download.pytorch.org/whl/cpu"
ENV HOME=/tmp PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /alexnet
# torch has a layer of its own, which stays as it is when the code changes.
COPY requirements.lock ./
RUN pip install -c requirements.lock $TORCH torch torchvision
COPY . .
# Any user may write runs, and data sets that are downloaded and decoded.
RUN pip install -c requirements.lock -e . && mkdir -p outputs data && chmod 777 outputs data
USER 1000
ENTRYPOINT ["python"]
CMD ["scripts/train.py", "experiment=quickstart"]
