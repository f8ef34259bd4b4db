# The origin, and `pricecast` beside it: docker build -t pricecast-origin .
# The simulated market:                  docker build -t market-sim --target market-sim .
#
# It listens on 8080 and wants PRICECAST_ACCESS__SECRETS for that; all configuration comes by the
# environment, or mount a file and add --config FILE. The root file system may be read-only; what it
# keeps is in /var/lib/pricecast.

FROM rust:1.95-slim-bookworm AS source
WORKDIR /pricecast
COPY . .

FROM source AS build
# What /api/v1/status calls this build: --build-arg BUILD_VERSION=$(git describe --tags --always --dirty)
ARG BUILD_VERSION
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/pricecast/target \
    scripts/build-release && mkdir state

FROM source AS build-market-sim
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/pricecast/target \
    scripts/build-release market-sim

FROM gcr.io/distroless/cc-debian12:nonroot AS market-sim
COPY --from=build-market-sim /pricecast/dist/market-sim /usr/local/bin/
USER 65532:65532
ENV MARKET_SIM_LISTEN=0.0.0.0:9900
EXPOSE 9900
ENTRYPOINT ["/usr/local/bin/market-sim"]

FROM gcr.io/distroless/cc-debian12:nonroot AS origin
COPY --from=build /pricecast/dist/pricecast-origin /pricecast/dist/pricecast /usr/local/bin/
COPY --from=build --chown=65532:65532 /pricecast/state /var/lib/pricecast
USER 65532:65532
ENV PRICECAST_HTTP__LISTEN=0.0.0.0:8080 PRICECAST_STATE_DIR=/var/lib/pricecast PRICECAST_LOG__FORMAT=json
VOLUME /var/lib/pricecast
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/pricecast-origin", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/pricecast-origin"]
