# For labs with NVIDIA devices and Docker or Apptainer; the driver comes from the host:
#   docker build -t conas --build-arg COMMIT=$(git describe --always --abbrev=40 --dirty=+changes) .
#   docker run --gpus all --shm-size 2g -v "$PWD/runs:/conas/runs" -v "$PWD/data:/conas/data" conas \
#       python harness/run.py with profile=paper dataset=cifar10
# torch from PyPI brings its CUDA libraries with it, so nothing of CUDA is installed here.
FROM python:3.12-slim-bookworm

# Triton compiles a small launcher with the C compiler of the machine that it runs on
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc git libc6-dev make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /conas
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . --config-settings editable_mode=compat

# what runs record, as the image has no .git
ARG COMMIT=
ENV CONAS_COMMIT=$COMMIT PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE
CMD ["python", "harness/run.py", "-h"]
