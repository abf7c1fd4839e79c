"""Unpacks the source packages of what is installed, whose suites are in no wheel.

Usage: fetch_source.py DIR NAME...
"""

import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request


def index_url():
    """Where pip installs from."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    return (said.stdout.strip() or "https://pypi.org/simple").rstrip("/") + "/"


def source_of(name, version):
    """The address of the source package of a version."""
    page = urllib.parse.urljoin(index_url(), name + "/")
    request = urllib.request.Request(page, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request) as answer:
        files = json.load(answer)["files"]
    wanted = {f"{name}-{version}.tar.gz", f"{name.replace('-', '_')}-{version}.tar.gz"}
    [address] = [file["url"] for file in files if file["filename"] in wanted]
    return urllib.parse.urljoin(page, address)


def main(directory, *names):
    for name in names:
        address = source_of(name, importlib.metadata.version(name))
        with tempfile.TemporaryDirectory() as work:
            packed = pathlib.Path(work, "source.tar.gz")
            with urllib.request.urlopen(address) as answer, packed.open("wb") as file:
                shutil.copyfileobj(answer, file)
            with tarfile.open(packed) as archive:
                archive.extractall(work, filter="data")
            [top] = [path for path in pathlib.Path(work).iterdir() if path.is_dir()]
            target = pathlib.Path(directory, name)
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(top, target)


main(*sys.argv[1:])
