# The image of the service that translates: its static binary alone, not root, nothing to write to.
# `deploy/images/build` makes both; docker buildx makes one for several architectures from the same folder.
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/silverback-translator /silverback-translator
USER 65532:65532
ENTRYPOINT ["/silverback-translator"]
