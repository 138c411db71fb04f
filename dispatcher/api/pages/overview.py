"""The page at /docs: all APIs, with a link to the documentation of each."""

from collections.abc import Mapping, Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from dispatcher.api.dialect import ASSETS
from dispatcher.api.errors import PROBLEM, problem
from dispatcher.api.operations import MountedApp, MountPoint, Operations
from dispatcher.api.pages.headers import HtmlPage
from dispatcher.api.proxies.root_path import public_root

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>SMS dispatcher: APIs</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.3rem 1.5rem .3rem 0;vertical-align:top}}code{{font-size:.9em}}</style>
<h1>APIs</h1>
<p>Each is a dialect of its own; all use the same dispatcher.</p>
<table>{rows}</table>
</html>
"""


def overview(apis: Sequence[MountedApp], prefixes: Mapping[str, str]) -> MountedApp:
    """Return the application that lists these APIs, each with its prefix if it has one."""
    operations = Operations()
    files = StaticFiles(packages=[("fastapi_offline", "static")])

    @operations.add("GET", "/docs")
    async def docs(request: Request) -> Response:
        root = public_root(request.scope)
        rows = (_row(api, root + prefixes.get(api.name, "")) for api in apis)
        return HtmlPage(_PAGE.format(rows="".join(rows)))

    @operations.add("GET", f"{ASSETS}/{{path:path}}")
    @operations.add("HEAD", f"{ASSETS}/{{path:path}}")
    async def asset(request: Request) -> Response:
        response = await files.get_response(request.path_params["path"], request.scope)
        response.headers["Cache-Control"] = "no-cache"  # kept, and asked for again by its ETag
        return response

    return MountedApp(
        "overview",
        title="APIs",
        mounts=(MountPoint("/docs"),),
        envelope=problem,
        media_type=PROBLEM,
        operations=operations,
    )


def _row(api: MountedApp, prefix: str) -> str:
    paths = "<br>".join(f"<code>{escape(prefix + mount.path)}</code>" for mount in api.mounts)
    title = escape(api.title)
    link = f'<a href="{escape(prefix + api.docs_url)}">{title}</a>' if api.docs_url else title
    return f"<tr><td>{link}</td><td>{paths}</td></tr>"
