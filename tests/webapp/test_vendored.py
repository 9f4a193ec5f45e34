"""The libraries of the pages are npm's, byte for byte, and the pages use no others."""

import hashlib
import json
import re

from schemas.shared.endpoint import PROJECT_ROOT

PAGE = PROJECT_ROOT / "webapp/page"
VENDOR = PAGE / "vendor"
LISTED = json.loads((PROJECT_ROOT / "requirements/vendor.json").read_text())


def test_every_file_has_its_checksum_and_is_listed() -> None:
    listed = {path: entry["sha256"] for package in LISTED for path, entry in package["files"].items()}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file()
    }
    assert found == listed
    assert len(found) > 20


def test_every_library_has_its_licence_and_its_version_in_its_path() -> None:
    for package in LISTED:
        assert package["integrity"].startswith("sha512-")
        assert any("LICENSE" in path for path in package["files"]), package["package"]
    for directory in VENDOR.iterdir():
        version = directory.name.rpartition("-")[2]
        assert any(package["package"].endswith(f"@{version}") for package in LISTED), directory.name


def test_the_scripts_name_what_is_there() -> None:
    named = set()
    for script in (path for path in PAGE.rglob("*.js") if "vendor" not in path.parts):
        named |= set(re.findall(r'"\.\./vendor/([^"]+)"', script.read_text()))
    assert len(named) == 3
    for path in named:
        assert (VENDOR / path).exists(), path
