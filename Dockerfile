# Two stages: the first builds the wheel and a venv with just what runs, pinned and hash-checked by
# requirements.lock (no tests, no tools, no embedded servers); the second is that venv and a user.
FROM python:3.11.13-slim-bookworm AS build
RUN pip install --no-cache-dir --quiet --root-user-action=ignore uv
WORKDIR /src
COPY . .
RUN uv build --quiet --wheel --out-dir /dist . \
    && uv venv --quiet --python /usr/local/bin/python /opt/dispatcher \
    && uv pip install --quiet --no-cache --compile-bytecode --python /opt/dispatcher/bin/python \
        --constraints requirements.lock /dist/*.whl

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin dispatcher
COPY --from=build /opt/dispatcher /opt/dispatcher
ENV PATH=/opt/dispatcher/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /tmp
EXPOSE 8080
# Of the default command; docker-compose.yml disables it for workers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=6 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
CMD ["dispatcher", "api", "--host", "0.0.0.0", "--port", "8080"]
