# The image of rehouse: the built package and its production dependencies, run by somebody without rights, from a file system that may be read-only.
#
#   docker build -t rehouse .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL -v ./rehouse.yaml:/etc/rehouse/rehouse.yaml:ro -e SOURCE_URL -e TARGET_URL rehouse check

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY connectors ./connectors
COPY web ./web
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
WORKDIR /opt/rehouse
COPY --from=dependencies /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE README.md CHANGELOG.md ./
COPY schemas ./schemas
RUN chmod +x dist/src/main.js && ln -s /opt/rehouse/dist/src/main.js /usr/local/bin/rehouse
ENV NODE_ENV=production
# The user `node` of the base image, by number: Kubernetes can only see of a number that it is not root's.
USER 1000:1000
# Where rehouse.yaml is looked for.
WORKDIR /etc/rehouse
# It handles SIGTERM itself, also as process 1, and has no grandchildren that somebody would have to reap.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=20s --start-period=30s CMD ["rehouse", "status", "--json"]
ENTRYPOINT ["rehouse"]
CMD ["run"]
