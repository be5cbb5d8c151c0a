# The platform and Dagster for AWS or a server of one's own: web UI, daemon, code server and runs
# are this one image with different commands. Without the laptop's AWS (the extra `local`).
# checkov:skip=CKV_DOCKER_2:One image, four commands; ECS's template and compose.yaml check each.
# checkov:skip=CKV_DOCKER_4:COPY takes no URL, and slim has no curl.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY constraints.txt pyproject.toml README.md ./
COPY aws_orders aws_orders
RUN pip install --no-cache-dir --no-compile --constraint constraints.txt '.[deploy]'

FROM python:3.11.14-slim-bookworm
# What verifies RDS, which signs its certificates itself:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
ADD --chmod=0644 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /etc/ssl/rds.pem
COPY --from=build /opt/venv /opt/venv
COPY deploy/dagster.yaml deploy/workspace.yaml /opt/dagster/
RUN useradd --system --uid 1000 --no-create-home --home-dir /tmp dagster \
    && install --directory --owner=dagster /var/log/dagster
ENV PATH=/opt/venv/bin:$PATH \
    DAGSTER_HOME=/opt/dagster \
    PGSSLROOTCERT=/etc/ssl/rds.pem \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/dagster
# By number, so that an orchestrator can see that it is not root.
USER 1000
# All that is written, but for compose.yaml's logs. Volumes mounted here take its permissions.
VOLUME /tmp
CMD ["dagster", "--version"]
