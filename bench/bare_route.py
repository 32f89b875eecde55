"""A FastAPI application whose only route reads the body and answers: what intake is compared with."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response

app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})  # as Kept's own


@app.post("/bare", status_code=202)
async def bare(request: Request) -> Response:
    """Take the body and answer as short as can be."""
    await request.body()
    return Response(b'{"ok":true}', 202, media_type="application/json")


@app.get("/healthz")
async def healthz() -> Response:
    return Response(b"ok")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
