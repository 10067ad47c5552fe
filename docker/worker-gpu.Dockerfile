# The worker on an NVIDIA GPU. ONNX Runtime for GPUs cannot share an environment with the CPU build.
# The base must have the CUDA major version that the pinned onnxruntime-gpu was built for (13).
# Build from the repository root:
#   docker build -f docker/worker-gpu.Dockerfile -t vertebra-stress-worker-gpu .
FROM nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04 AS base
# Not pinned, so that the image gets the security updates of the distribution.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3.12 python3.12-venv \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
WORKDIR /src
RUN python3.12 -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app ./app
COPY vertebra_client ./vertebra_client
COPY models ./models
COPY workers ./workers
RUN /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[gpu,server,otel]"

FROM base
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vertebra \
    && install -d -o vertebra -g vertebra /data /data/blobs /scratch /var/cache/vertebra
COPY --from=build /opt/venv /opt/venv
COPY docker/worker_health.py /opt/vertebra/worker_health.py
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    TMPDIR=/scratch \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYVISTA_USERDATA_PATH=/tmp/pyvista \
    NUMBA_CACHE_DIR=/var/cache/vertebra \
    VERTEBRA_DATA_DIR=/data \
    VERTEBRA_STORAGE_URL=file:///data/blobs
USER 10001:10001
WORKDIR /data
HEALTHCHECK --interval=30s --timeout=15s --start-period=180s --retries=3 \
    CMD ["python", "/opt/vertebra/worker_health.py"]
ENTRYPOINT ["vertebra-stress"]
CMD ["worker"]
