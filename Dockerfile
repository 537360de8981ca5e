# Forewalk: the pages and the API on loopback, or any other command. Nothing in the image is written to; /state is.
#   docker build -t forewalk .            add --build-arg PIP_ARGS="..." to name an index of CPU builds of torch
#   docker run --network host -v forewalk:/state --read-only --tmpfs /tmp forewalk
FROM python:3.11-slim AS build
ARG PIP_ARGS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/forewalk
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN /opt/forewalk/bin/pip install $PIP_ARGS -c constraints.txt torch==2.13.0
COPY forewalk forewalk
COPY models models
COPY strategies strategies
COPY broker broker
COPY engine engine
RUN /opt/forewalk/bin/pip install -c constraints.txt ".[alarms,web,simulator,news]"

FROM python:3.11-slim
# The home is the volume: locks of accounts and compiled code lie there.
RUN useradd --uid 10001 --home-dir /state --create-home --shell /usr/sbin/nologin forewalk
COPY --from=build /opt/forewalk /opt/forewalk
COPY examples /opt/forewalk/examples
ENV PATH=/opt/forewalk/bin:$PATH PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /state
USER 10001
VOLUME /state
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["forewalk"]
CMD ["serve", "--state", "/state/serve", "--runs", "/state/runs"]
