"""MONAI Label's web application with limits, and with answers in place of crashes.

Started by `shared.label.command` as MONAI Label's ``--uvicorn_app``.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from monailabel.app import app
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException, MONAILabelException
from monailabel.interfaces.utils.app import app_instance

from shared.errors import ConfigError, DataError, EyeBundlesError
from shared.label.command import LIMIT_VARIABLE

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
MEGABYTE = 1_000_000
DEFAULT_LIMIT_MB = 200
# What is read and thrown away of a body that is too large, so that the client gets to read the answer.
PATIENCE = 4
NAMED = (
    (r"/(?:batch/)?infer/([^/]+)", "_infers", "model"),
    (r"/train/([^/]+)", "_trainers", "model"),
    (r"/activelearning/([^/]+)", "_strategies", "strategy"),
)


class Gate:
    """Refuses requests for a model or strategy that there is not (404), and bodies that are too large (413).

    MONAI Label itself answers the former with 500, or starts a task that fails unseen.

    Args:
        inner: the application.
        limit: of a body in bytes.
    """

    def __init__(self, inner: Any, *, limit: int) -> None:
        self.inner, self.limit = inner, limit

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        if scope["method"] == "POST" and (unknown := unknown_name(scope["path"])):
            await JSONResponse({"detail": unknown}, status_code=404)(scope, receive, send)
            return
        headers = {key.lower(): value for key, value in scope["headers"]}
        if int(headers.get(b"content-length", b"0") or 0) > self.limit:
            await _drain(receive, PATIENCE * self.limit)
            await self._too_large()(scope, receive, send)
            return
        read, answered = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                await _drain(receive, PATIENCE * self.limit)
                raise OverflowError
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            if read <= self.limit:
                await send(message)
            elif not answered:
                answered = True
                await self._too_large()(scope, receive, send)

        await self.inner(scope, counted, watched)

    def _too_large(self) -> JSONResponse:
        detail = f"more than {self.limit // MEGABYTE} MB; start the server with another {LIMIT_VARIABLE} for more"
        return JSONResponse({"detail": detail}, status_code=413)


async def _drain(receive: Receive, most: int) -> None:
    left = most
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def unknown_name(path: str) -> str:
    """What is wrong with the model or strategy that a path names; empty if nothing is."""
    for pattern, holder, noun in NAMED:
        match = re.fullmatch(pattern, path)
        if match:
            known = getattr(app_instance(), holder)
            if match[1] not in known:
                return f"there is no {noun} {match[1]!r}; there are {', '.join(known)}"
    return ""


def not_there(request: Request, error: Exception) -> JSONResponse:
    """404 for what MONAI Label's datastore has not."""
    return _answer(404, getattr(error, "msg", str(error)))


def refused(request: Request, error: Exception) -> JSONResponse:
    """400 for what else MONAI Label refuses."""
    return _answer(400, getattr(error, "msg", str(error)))


def unreadable(request: Request, error: Exception) -> JSONResponse:
    """422 for images and labels that cannot be used."""
    return _answer(422, str(error))


def broken(request: Request, error: Exception) -> JSONResponse:
    """500, with the reason, for what only the one who runs the server can mend, such as weights that do not fit."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    return _answer(500, str(error))


def no_json(request: Request, error: Exception) -> JSONResponse:
    """400 for parameters that are no JSON."""
    return _answer(400, f"params is no JSON: {error}")


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status)


app.add_exception_handler(MONAILabelException, refused)
for kind in (ImageNotFoundException, LabelNotFoundException):
    app.add_exception_handler(kind, not_there)
app.add_exception_handler(EyeBundlesError, broken)
for kind in (DataError, ConfigError):
    app.add_exception_handler(kind, unreadable if kind is DataError else broken)
app.add_exception_handler(json.JSONDecodeError, no_json)
app.add_middleware(Gate, limit=int(float(os.environ.get(LIMIT_VARIABLE, DEFAULT_LIMIT_MB)) * MEGABYTE))
