"""The API's documentation as one page without script: nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every route with its purpose, parameters and answers, from the OpenAPI document."""
    schema: dict[str, Any] = request.app.openapi()
    sections = "".join(
        _operation(path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    )
    return HTMLResponse(_PAGE.replace("{sections}", sections), headers=_HEADERS)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(p['name'])}</code> ({escape(p['in'])}) {escape(_limits(p.get('schema', {})))}</li>"
        for p in operation.get("parameters", [])
    )
    answers = "".join(
        f"<li><code>{escape(status)}</code> {escape(answer.get('description', ''))}</li>"
        for status, answer in operation.get("responses", {}).items()
    )
    return (
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>"
        f"<ul>{parameters}</ul><ul>{answers}</ul></section>"
    )


def _limits(schema: dict[str, Any]) -> str:
    shown = ("type", "default", "minimum", "maximum", "maxLength", "pattern", "enum")
    return ", ".join(f"{name} {schema[name]}" for name in shown if name in schema)


_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kept: API</title>
<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:50rem;padding:0 1rem}h2{font-size:1rem;
border-top:1px solid #999;padding-top:1rem}</style></head>
<body><h1>Kept: API</h1><p>The OpenAPI document is at <a href="/openapi.json">/openapi.json</a>.</p>{sections}
</body></html>"""
