# The image of the service that pushes: its static binary alone, not root, nothing to write to.
#   docker build -f deploy/images/pusher.Dockerfile -t silverback-pusher .
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /silverback
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/silverback/target \
    cargo build --locked --release --bin silverback-pusher && cp target/release/silverback-pusher /silverback-pusher

FROM scratch
COPY --from=build /silverback-pusher /silverback-pusher
USER 65532:65532
ENTRYPOINT ["/silverback-pusher"]
