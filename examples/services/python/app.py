"""A small HTTP service: GET / greets in JSON, GET /health says that it is up."""

import os
import platform

from fastapi import FastAPI

app = FastAPI(title="greeter")


@app.get("/")
def greet() -> dict[str, str | int]:
    return {
        "message": "hello from Python",
        "service": "python",
        "runtime": platform.python_version(),
        "user": os.getuid(),
    }


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
