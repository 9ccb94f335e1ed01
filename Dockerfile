# docker build --tag gokart-pipeline-sample .
# docker run --read-only --env BUCKET_NAME=... --env AWS_...=... gokart-pipeline-sample [TASK] [OPTIONS]
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml poetry.lock ./
RUN python -m venv /tools \
 && /tools/bin/pip install --quiet --no-cache-dir uv==0.13.9 \
 && /tools/bin/uv pip install --quiet --no-cache --python /tools poetry==2.5.1 poetry-plugin-export==1.10.1 \
 && /tools/bin/poetry export --quiet --extras report --output requirements.txt
# What is locked and nothing else, with the hashes checked.
RUN /tools/bin/uv venv --quiet --python python3 /venv \
 && /tools/bin/uv pip install --quiet --no-cache --python /venv --no-deps --require-hashes --requirement requirements.txt
COPY main.py /app/
COPY conf /app/conf
COPY pipeline_runner /app/pipeline_runner
COPY gokart_pipeline_sample /app/gokart_pipeline_sample
RUN /venv/bin/python -m compileall -q /venv /app

FROM python:3.11-slim
# LightGBM's threads.
RUN apt-get update --quiet=2 \
 && apt-get install --quiet=2 --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
# Nothing is written to the root file system: it may be read-only.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["/venv/bin/python", "main.py"]
