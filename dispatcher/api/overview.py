"""The page at /docs: which dialects are spoken here, and where each is described."""

from collections.abc import Sequence
from html import escape

from fastapi import Response
from starlette.responses import HTMLResponse

from dispatcher.api.door import PROBLEM, Claim, Door, problem

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>SMS dispatcher: APIs</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.3rem 1.5rem .3rem 0;vertical-align:top}}code{{font-size:.9em}}</style>
<h1>APIs</h1>
<p>Each speaks its own dialect; all lead to the same dispatcher.</p>
<table>{rows}</table>
</html>
"""


def overview(dialects: Sequence[Door]) -> Door:
    """Make the door that lists these dialects."""
    door = Door("overview", title="APIs", claims=(Claim("/docs"),), envelope=problem, media_type=PROBLEM)
    page = _PAGE.format(rows="".join(map(_row, dialects)))

    @door.app.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(page)

    return door


def _row(door: Door) -> str:
    paths = "<br>".join(f"<code>{escape(claim.path)}</code>" for claim in door.claims)
    title = escape(door.title)
    link = f'<a href="{escape(door.docs_url)}">{title}</a>' if door.docs_url else title
    return f"<tr><td>{link}</td><td>{paths}</td></tr>"
