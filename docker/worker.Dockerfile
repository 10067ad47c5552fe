# The worker on CPUs (ONNX Runtime CPU). Build from the repository root:
#   docker build -f docker/worker.Dockerfile -t vertebra-stress-worker .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app ./app
COPY vertebra_client ./vertebra_client
COPY models ./models
COPY workers ./workers
RUN /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[cpu,server,otel]"

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vertebra \
    && install -d -o vertebra -g vertebra /data /data/blobs /scratch /var/cache/vertebra
COPY --from=build /opt/venv /opt/venv
COPY docker/worker_health.py /opt/vertebra/worker_health.py
# Compiled kernels go to a volume: the first start on a machine compiles them, later starts load them.
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
