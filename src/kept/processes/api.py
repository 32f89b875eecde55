"""The API server process."""

from __future__ import annotations

import uvicorn
from fastapi import Depends

from kept.api.access import require_operator
from kept.api.app import create_app
from kept.connectors.registry import build_connectors
from kept.console.pages import router as console_router
from kept.engine.streams import Streams, connect
from kept.processes.assembly import utc_now
from kept.processes.worker import collect_garbage_seldom, consumer_name
from kept.settings import Settings


async def run_api(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    app = create_app(
        settings,
        build_connectors(settings.business),
        Streams(connect(settings.redis_url), consumer_name()),
        utc_now,
    )
    app.include_router(console_router, dependencies=[Depends(require_operator)])
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=30,
        server_header=False,
        proxy_headers=False,  # a caller's word about its address is not taken
        lifespan="on",
    )
    collect_garbage_seldom()
    await uvicorn.Server(config).serve()
