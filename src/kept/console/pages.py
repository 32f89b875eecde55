"""A placeholder of the operators' console: where everything stands, on one page without script."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Refresh": "2",
}


@router.get("/")
async def root() -> RedirectResponse:
    return RedirectResponse("/console")


@router.get("/console")
async def console(request: Request) -> HTMLResponse:
    """Counts by state and step, refreshed every two seconds."""
    counts = await request.app.state.services.queries.counts()
    rows = [("messages", counts["messages"]), ("dead letters", counts["dead"]), ("refused", counts["refused"])]
    rows += [(f"orders {state}", number) for state, number in sorted(counts["orders"].items())]
    rows += [(f"parts {state}", number) for state, number in sorted(counts["parts"].items())]
    rows += [(f"waiting for {step}", row["waiting"]) for step, row in sorted(counts["steps"].items())]
    body = "".join(f"<tr><td>{escape(name)}</td><td>{number}</td></tr>" for name, number in rows)
    return HTMLResponse(_PAGE.replace("{rows}", body), headers=_HEADERS)


_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kept</title>
<style>body{font:16px system-ui;margin:2rem auto;max-width:40rem}
td{padding:.2rem 1rem;border-bottom:1px solid #ccc}
td+td{text-align:right;font-variant-numeric:tabular-nums}</style></head>
<body><h1>Kept</h1><p>Every order is a promise. <a href="/docs">API</a></p><table>{rows}</table></body></html>"""
