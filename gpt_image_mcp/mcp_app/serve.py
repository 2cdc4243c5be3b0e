"""Serving over stdio, and what both ways of serving set in the interpreter."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
from fastmcp.utilities.logging import temporary_log_level

from gpt_image_mcp.environment import secrets, telemetry_understood, variables_set
from gpt_image_mcp.mcp_app.stdio import serve_lines
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.signals import leave_within
from gpt_image_mcp.visible_text import log_visibly

if TYPE_CHECKING:
    from collections.abc import Generator

    from fastmcp import FastMCP

    from gpt_image_mcp.settings import Settings

_log = logging.getLogger(__name__)
_TRACES_GO_TO = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_EXPORTER, _DISABLED, _OTLP = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "otlp"
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
# A walk over everything takes 70 ms, during which no client is answered.
_COLLECTIONS_BETWEEN_LARGER_ONES = (10, 100)
_LONGEST_TURN_SECONDS = 0.001
# From malloc.h of glibc; musl has none of them.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
# A usual picture is reused and stays fast; what is larger is given back.
_LARGE_BLOCK_BYTES = 8_000_000


def serve_stdio(mcp: FastMCP, streams: tuple[int, int]) -> int:
    """Serves MCP over what stdin and stdout were until the client leaves; returns the exit code.

    Raises:
        InvalidSetting: If the environment is malformed.
    """
    settings = read_settings()
    keep_what_is_loaded()
    with logging_as_set(settings), traced_as_set(settings):
        anyio.run(serve_lines, mcp, streams, partial(leave_within, settings.shutdown_grace_seconds))
    return 0


@contextmanager
def logging_as_set(settings: Settings) -> Generator[None]:
    """Logs as much, and in such a form, as the settings say, for the time of a block.

    Below WARNING FastMCP renders a line at every start, which takes longer than it tells.
    """
    log_visibly(secrets())
    level = "DEBUG" if settings.debug else "WARNING"
    with temporary_log_level(level, enable_rich_tracebacks=False):
        if settings.log_format == "json":
            from gpt_image_mcp.json_logs import log_as_json

            log_as_json(secrets())
        yield


@contextmanager
def traced_as_set(settings: Settings) -> Generator[None]:
    """Sends spans to a collector for the time of a block, if OpenTelemetry's own variables ask for it."""
    found = variables_set((*_TRACES_GO_TO, _EXPORTER, _DISABLED))
    is_off = found.get(_DISABLED, "").lower() == "true" or found.get(_EXPORTER, _OTLP) != _OTLP
    if is_off or not found.keys() - {_DISABLED}:
        yield
        return
    try:
        with telemetry_understood():
            from gpt_image_mcp.team.tracing import exporting_spans
    except ImportError:
        announce("Traces are asked for and need the extra team: gpt-image-mcp-server[team].", settings)
        yield
        return
    with exporting_spans(grace_seconds=settings.shutdown_grace_seconds):
        yield


def announce(text: str, settings: Settings) -> None:
    """Says on stderr that the server has begun."""
    if settings.log_format == "json":
        _log.info(text)
        return
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def keep_what_is_loaded() -> None:
    """Sets the garbage collector for a server, once everything that stays is imported.

    The SDK and the database layer come with the first call and stay too. Python would walk their objects
    several times during each call, which takes longer than saving an image.
    """
    _give_large_blocks_back()
    gc.enable()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *_COLLECTIONS_BETWEEN_LARGER_ONES)
    # Worker threads save and preview images; the loop, which answers clients, must not wait long for them.
    sys.setswitchinterval(_LONGEST_TURN_SECONDS)


def _give_large_blocks_back() -> None:
    """Has the allocator of Linux give memory of pictures back as soon as it is free, from every thread.

    By default glibc raises the size from which it does so to 32 MB, and has eight heaps for each processor.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        mallopt(_M_ARENA_MAX, os.cpu_count() or 1)
