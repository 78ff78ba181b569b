# syntax=docker/dockerfile:1
FROM node:20 AS deps
WORKDIR /app
COPY --link package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc <<EOF
#!/bin/sh -eu
npm ci
npm cache verify
EOF

FROM deps AS build
COPY --exclude=node_modules --exclude=**/*.md . .
RUN npm run build

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --link --from=build --chown=node:node /app/dist ./dist
HEALTHCHECK --start-interval=1s --start-period=10s CMD ["node", "dist/health.js"]
USER node
CMD ["node", "dist/main.js"]
