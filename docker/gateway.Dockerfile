# The gateway: HTTP, jobs, files. Build from the repository root:
#   docker build -f docker/gateway.Dockerfile -t vertebra-stress-gateway .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app ./app
COPY vertebra_client ./vertebra_client
COPY models ./models
RUN /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[server,otel]"

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vertebra \
    && install -d -o vertebra -g vertebra /data /data/blobs \
    && install -d -m 700 -o vertebra -g vertebra /data/secrets
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    VERTEBRA_DATA_DIR=/data \
    VERTEBRA_STORAGE_URL=file:///data/blobs \
    VERTEBRA_HOST=0.0.0.0 \
    VERTEBRA_PORT=8000
USER 10001:10001
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
ENTRYPOINT ["vertebra-stress"]
CMD ["gateway"]
