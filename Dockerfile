# The port is not reachable from outside as it stands: inside the container the server listens on loopback. To publish it,
#   docker run -p 7433:7433 -v runtime:/var/lib/workspace-runtime IMAGE \
#     serve --listen 0.0.0.0:7433 --tls-cert CERT --tls-key KEY        (or --insecure-listen behind a proxy that has TLS)
# Services run inside: whatever tools they need belong into an image made FROM this one. See docs/operations.md.

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
# tini: a container's first process must reap what services leave behind, which Node does not.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates git openssh-client tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY scripts/check-node.cjs scripts/
COPY gen gen
COPY src src
RUN ln -s /app/src/workspace-runtime.cjs /usr/local/bin/workspace-runtime \
  && install --directory --owner=node --group=node --mode=0700 /var/lib/workspace-runtime
USER node
ENV NODE_ENV=production WORKSPACE_RUNTIME_DATA_DIR=/var/lib/workspace-runtime
VOLUME /var/lib/workspace-runtime
EXPOSE 7433
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["workspace-runtime", "health"]
ENTRYPOINT ["tini", "--", "workspace-runtime"]
CMD ["serve"]
