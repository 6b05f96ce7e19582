"""The page's server: results by their word, nothing from outside, one reading at a time."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import gradio as gr
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from shared.demo.page import ADDRESS, Page
from shared.demo.sessions import Sessions
from shared.demo.style import STYLE
from shared.demo.uploads import MAX_BYTES

LOCAL = ("127.0.0.1", "localhost", "::1")
# A page may ask nobody but its own server; Gradio needs its scripts and styles in the page.
POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob: ws: ; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class OwnServerOnly:
    """Adds the headers that keep a browser from asking anybody else."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


def make_app(sessions: Sessions, *, host: str) -> FastAPI:
    """The page and the results' addresses as one application.

    Args:
        sessions: read files, and keep what was found.
        host: which names a browser may call this server by, where it is this computer's own.
    """
    app = FastAPI(openapi_url=None)

    @app.get(f"{ADDRESS}/{{token}}/picture.jpg")
    def picture(token: str, layers: str = "", number: int = 0) -> Response:
        shown = sessions.find(token)
        if shown is None:
            raise HTTPException(404)
        content = shown.reading.jpeg(layers.split(","), number=number)
        return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @app.get(f"{ADDRESS}/{{token}}/{{name}}")
    def file(token: str, name: str) -> FileResponse:
        shown = sessions.find(token)
        files = {} if shown is None else {f"{shown.reading.name}.json": shown.reading.json}
        files |= {} if shown is None else {f"{shown.reading.name}.zip": shown.folder / f"{shown.reading.name}.zip"}
        if name not in files:
            raise HTTPException(404)
        return FileResponse(files[name], filename=name, headers={"cache-control": "no-store"})

    # Where uploads arrive, until they are moved to a session's folder.
    os.environ["GRADIO_TEMP_DIR"] = str(sessions.root / "uploads")
    system = ["system-ui", "Segoe UI", "Roboto", "sans-serif"]
    app = gr.mount_gradio_app(
        app,
        Page(sessions).build(),
        path="/",
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=system, font_mono=["monospace"]),
        # Not `css`, which Gradio confines to the inside of its container.
        head=f"<style>{STYLE}</style>",
    )
    if host in LOCAL:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOCAL))
    app.add_middleware(OwnServerOnly)
    return app
