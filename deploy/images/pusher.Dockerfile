# The image of the service that pushes: its static binary alone, not root, nothing to write to.
# `deploy/images/build` makes both; docker buildx makes one for several architectures from the same folder.
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/silverback-pusher /silverback-pusher
USER 65532:65532
ENTRYPOINT ["/silverback-pusher"]
