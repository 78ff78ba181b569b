// A small HTTP service: GET / greets in JSON, GET /health says that it is up.
import express from "express";

const app = express();

app.get("/", (_request, response) => {
  response.json({
    message: "hello from Node",
    service: "node",
    runtime: process.version,
    user: process.getuid?.(),
  });
});

app.get("/health", (_request, response) => {
  response.json({ status: "ok" });
});

const server = app.listen(8080, () => console.log("listening on 8080"));

process.on("SIGTERM", () => server.close());
