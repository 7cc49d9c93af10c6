# The image of the service that reads the cluster: its static binary alone, not root, nothing to write to.
#   docker build -f deploy/images/watcher.Dockerfile -t silverback-watcher .
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /silverback
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/silverback/target \
    cargo build --locked --release --bin silverback-watcher && cp target/release/silverback-watcher /silverback-watcher

FROM scratch
COPY --from=build /silverback-watcher /silverback-watcher
USER 65532:65532
ENTRYPOINT ["/silverback-watcher"]
