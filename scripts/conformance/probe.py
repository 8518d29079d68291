"""Says what the cloud-init installed here makes of user-data.

Runs inside a chroot. Standard input is JSON: {"variables": {...}, "cases":
{NAME: {"input": BASE64, "answers": {URL: BASE64}, "errors": {URL: TEXT}}}}.
Standard output is JSON: {"version": TEXT, "results": {NAME: {
"fatal": TEXT or null, "parts": [...], "files": {PATH: {...}},
"config": TREE or null}}}. cloud-init's own code does all of it; only the
network and the running of boothooks are taken away.
"""

import base64
import hashlib
import importlib
import json
import logging
import os
import shutil
import sys
import tempfile

from cloudinit import helpers, safeyaml, stages, user_data, util, version
from cloudinit.handlers import boot_hook
from cloudinit.settings import PER_INSTANCE
from cloudinit.sources import DataSourceNone
from cloudinit.url_helper import StringResponse, UrlError

INSTANCE = "iid-datasource-none"  # what this datasource always says


def payload_bytes(part):
    payload = util.fully_decoded_payload(part)
    if payload is None:
        return b""
    if isinstance(payload, str):
        return payload.encode("utf-8", "surrogateescape")
    return payload


def launch_index(part):
    value = part.get("Launch-Index")
    if value is None:
        return None
    number = util.safe_int(value)
    return "never" if number is None else str(number)


def describe(message):
    parts = []
    for part in message.walk():
        if part.get_content_maintype() == "multipart":
            continue
        headers = dict(part)
        body = payload_bytes(part)
        parts.append(
            {
                "name": part.get_filename(),
                "type": part.get_content_type(),
                "launch_index": launch_index(part),
                "merge_type": headers.get("Merge-Type")
                or headers.get("X-Merge-Type")
                or "",
                "size": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
        )
    return parts


class Response(StringResponse):
    """An answer, for versions whose StringResponse knows its address or not."""

    def __init__(self, contents, url):
        self.contents, self.url, self.code = contents, url, 200
        self.headers = {}


def fetcher(case):
    def fetch(url, **_kwargs):
        if url in case.get("errors", {}):
            raise UrlError(IOError(case["errors"][url]), url=url)
        if url not in case.get("answers", {}):
            raise UrlError(IOError("no answer"), url=url)
        return Response(base64.b64decode(case["answers"][url]), url)

    return fetch


def new_init(root):
    paths = {
        "cloud_dir": os.path.join(root, "cloud"),
        "run_dir": os.path.join(root, "run"),
        "templates_dir": "/etc/cloud/templates",
    }
    config = {"system_info": {"distro": "debian", "paths": paths}}
    init = stages.Init(ds_deps=[])
    init._cfg = config
    init._paths = helpers.Paths(paths)
    init._initialize_filesystem()
    init.datasource = DataSourceNone.DataSourceNone(
        init.cfg, init.distro, init._paths
    )
    init._paths = helpers.Paths(paths, init.datasource)
    init.instancify()  # forgets both
    init._cfg = config
    init._paths = helpers.Paths(paths, init.datasource)
    return init


def written(root):
    files = {}
    places = {
        "scripts": "instances/%s/scripts" % INSTANCE,
        "boothooks": "instances/%s/boothooks" % INSTANCE,
        "per-boot": "scripts/per-boot",
        "per-instance": "scripts/per-instance",
        "per-once": "scripts/per-once",
    }
    for place, folder in places.items():
        folder = os.path.join(root, "cloud", folder)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as stream:
                body = stream.read()
            files["%s/%s" % (place, name)] = {
                "sha256": hashlib.sha256(body).hexdigest(),
                "body": base64.b64encode(body).decode(),
            }
    return files


def plain(value):
    """A YAML tree as JSON can hold it."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return {"!!binary": base64.b64encode(value).decode()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def merged(root):
    path = os.path.join(root, "cloud/instances", INSTANCE, "cloud-config.txt")
    if not os.path.exists(path):
        return None
    with open(path, "rb") as stream:
        return plain(safeyaml.load(stream.read()) if hasattr(safeyaml, "load")
                     else util.load_yaml(stream.read()))


def run(case, variables):
    root = tempfile.mkdtemp()
    path_before = list(sys.path)
    result = {"fatal": None, "parts": [], "files": {}, "config": None}
    try:
        init = new_init(root)
        run_dir = os.path.join(root, "run")
        os.makedirs(run_dir, exist_ok=True)
        with open(init.paths.get_runpath("instance_data_sensitive"), "w") as out:
            json.dump(variables, out)
        user_data.read_file_or_url = fetcher(case)
        processor = user_data.UserDataProcessor(init.paths)
        message = processor.process(base64.b64decode(case["input"]))
        result["parts"] = describe(message)
        init._do_handlers(
            message, init._default_handlers(), PER_INSTANCE
        )
        result["files"] = written(root)
        result["config"] = merged(root)
    except Exception as error:  # what aborts cloud-init's init stage
        result["fatal"] = "%s: %s" % (type(error).__name__, error)
    finally:
        sys.path[:] = path_before
        for name in [n for n in sys.modules if n.startswith("part-handler")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        shutil.rmtree(root, ignore_errors=True)
    return result


def main():
    logging.disable(logging.CRITICAL)
    boot_hook.subp.subp = lambda *args, **kwargs: ("", "")
    given = json.load(sys.stdin)
    out = sys.stdout
    sys.stdout = sys.stderr
    results = {
        name: run(case, given["variables"])
        for name, case in sorted(given["cases"].items())
    }
    json.dump({"version": version.version_string(), "results": results}, out)


main()
