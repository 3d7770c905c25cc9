# syntax=docker/dockerfile:1
# One image per component: docker build --build-arg COMPONENT=producer|consumer|training|operator|consumer-gpu .
# What rarely changes comes first: after a change of code only the last layer, the project's own wheel, is built again.
# Settings of the building machine (certificates, a package index of one's own) come in as mounts and as arguments of
# the build stages, so that no image keeps them.
ARG PYTHON_IMAGE=docker.io/library/python:3.13.5-slim-trixie

FROM ${PYTHON_IMAGE} AS tools
ARG PIP_INDEX_URL
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
COPY requirements/bootstrap.txt /requirements/
RUN python3 -m venv /tools \
    && /tools/bin/pip install --quiet --no-cache-dir --require-hashes --requirement /requirements/bootstrap.txt

FROM tools AS application
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY producer producer
COPY consumer consumer
COPY operator operator
RUN /tools/bin/python -m hatchling build --target wheel --directory /wheel \
    && python3 -m venv --without-pip /opt/warren \
    && /tools/bin/uv pip install --quiet --no-cache --offline --python /opt/warren --no-deps --compile-bytecode /wheel/*.whl

FROM tools AS dependencies
ARG COMPONENT
ARG UV_DEFAULT_INDEX
COPY requirements/${COMPONENT}.txt /requirements/
RUN --mount=type=cache,target=/root/.cache/uv \
    python3 -m venv --without-pip /opt/warren \
    && /tools/bin/uv pip install --quiet --python /opt/warren --link-mode=copy --compile-bytecode --require-hashes \
        --requirement /requirements/${COMPONENT}.txt

FROM ${PYTHON_IMAGE}
ARG COMPONENT
LABEL org.opencontainers.image.title="warren-${COMPONENT}" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/warren/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=warren PYTHONUNBUFFERED=1
# One virtual environment out of two layers: what the component needs, and over it the project itself.
COPY --from=dependencies /opt/warren /opt/warren
COPY --from=application /opt/warren /opt/warren
USER 10001:10001
WORKDIR /tmp
