"""The files of the pages, with this release's version in their paths: a browser asks once, and for all together.

A module names those that it imports, so a browser that follows the names makes four rounds before a page with fifty
modules can be used. Each page's HTML names them all instead, as `modulepreload`, after what the page is drawn with.
"""

import functools
import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

FILES = Path(__file__).resolve().parent / "page"
PART = 1 << 16
"""How many bytes of a file are read at once: what a whole file takes is kept by glibc."""
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""The media types of the files, by the end of a name. Those of a machine differ from another's, and take 0.5 MB."""
CHAT, STATUS = "chat/chat.html", "status/status.html"
VERSION = re.compile(r"([0-9a-f]{12})/(.*)", re.DOTALL)
IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";', re.MULTILINE)
"""An import that is made before the module runs; one by `import()` is made later."""
MODULE = re.compile(r'<script type="module" src="/page/([^"]+)"></script>')


def work_out() -> None:
    """Work out what all requests for pages share: for this, the first of them would hold a worker's hub up to 60 ms."""
    for name in (CHAT, STATUS):
        html(name)


@functools.cache
def version() -> str:
    """Return 12 hexadecimal digits that are others where a file of the pages is another."""
    digest = hashlib.blake2b(digest_size=6)  # Python's own: OpenSSL's hashes take 1 MB more of a worker
    for file in sorted(FILES.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(FILES)}\n{file.stat().st_size}\n".encode())
            with file.open("rb") as parts:
                while part := parts.read(PART):
                    digest.update(part)
    return digest.hexdigest()


def split(name: str) -> tuple[str, str]:
    """Return the version in the path below `/page/`, or an empty text, and the file's name."""
    found = VERSION.fullmatch(name)
    return (found[1], found[2]) if found else ("", name)


def media_type(name: str) -> str:
    """Return the media type of the file `name`."""
    return TYPES.get(posixpath.splitext(name)[1], "text/plain")


@functools.cache
def html(name: str) -> str:
    """Return the HTML of the file `name`, as `with_version` changes it."""
    return with_version((FILES / name).read_text())


def with_version(text: str) -> str:
    """Return the HTML `text` with the version in its files' paths, and with a link for each module that it needs."""
    text = MODULE.sub(lambda found: "\n".join([*map(_link, modules(found[1])), found[0]]), text)
    return text.replace('="/page/', f'="/page/{version()}/')


def modules(name: str) -> list[str]:
    """Return the names of the modules that the module `name` imports before it runs, and of those that these do."""
    found = {name: None}
    waiting = [name]
    while waiting:
        for imported in _imports(waiting.pop(0)):
            if imported not in found:
                found[imported] = None
                waiting.append(imported)
    return list(found)[1:]


def _imports(name: str) -> Iterator[str]:
    for path in IMPORT.findall((FILES / name).read_text()):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _link(name: str) -> str:
    return f'<link rel="modulepreload" href="/page/{name}" fetchpriority="low">'
