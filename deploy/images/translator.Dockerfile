# The image of the service that translates: its static binary alone, not root, nothing to write to.
#   docker build -f deploy/images/translator.Dockerfile -t silverback-translator .
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /silverback
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/silverback/target \
    cargo build --locked --release --bin silverback-translator && cp target/release/silverback-translator /silverback-translator

FROM scratch
COPY --from=build /silverback-translator /silverback-translator
USER 65532:65532
ENTRYPOINT ["/silverback-translator"]
