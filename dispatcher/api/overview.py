"""The page at /docs: which dialects are spoken here, and where each is described."""

from collections.abc import Mapping, Sequence
from html import escape

from fastapi import Response
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from dispatcher.api.door import ASSETS, PROBLEM, Claim, Door, problem

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>SMS dispatcher: APIs</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.3rem 1.5rem .3rem 0;vertical-align:top}}code{{font-size:.9em}}</style>
<h1>APIs</h1>
<p>Each speaks its own dialect; all lead to the same dispatcher.</p>
<table>{rows}</table>
</html>
"""


def overview(dialects: Sequence[Door], prefixes: Mapping[str, str]) -> Door:
    """Make the door that lists these dialects, each below its prefix if it has one."""
    door = Door("overview", title="APIs", claims=(Claim("/docs"),), envelope=problem, media_type=PROBLEM)
    rows = (_row(dialect, prefixes.get(dialect.name, "")) for dialect in dialects)
    page = _PAGE.format(rows="".join(rows))

    door.app.mount(ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))

    @door.app.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(page)

    return door


def _row(door: Door, prefix: str) -> str:
    paths = "<br>".join(f"<code>{escape(prefix + claim.path)}</code>" for claim in door.claims)
    title = escape(door.title)
    link = f'<a href="{escape(prefix + door.docs_url)}">{title}</a>' if door.docs_url else title
    return f"<tr><td>{link}</td><td>{paths}</td></tr>"
