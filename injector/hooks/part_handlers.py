"""Runs the part handlers of cloud user-data outside of cloud-init.

usage: python3 part_handlers.py JOB DONE

JOB is a JSON file: the instance-id, the frequency of this pass, and the parts
in their order, those that are handlers marked with the file they were stored
in. DONE gets a JSON list with the indexes of the parts that a handler took.
The contract is cloud-init's: a handler is asked for its types when it is met
and gets the later parts of those types; it is told __begin__ then and __end__
at the end; handler_version says how many arguments it wants. What a handler
raises is printed and ends neither the others nor itself.
"""

import base64
import importlib.util
import json
import sys
import traceback
import types

PER_INSTANCE = "once-per-instance"
PER_ALWAYS = "always"
PER_ONCE = "once"


class Cloud:
    """The first argument of handlers: as much of cloud-init's as can be had."""

    def __init__(self, instance_id):
        self.instance_id = instance_id

    def get_instance_id(self):
        return self.instance_id


class Walk:
    """The state of one walk over the parts."""

    def __init__(self, job):
        self.cloud = Cloud(job["instance_id"])
        self.frequency = job["frequency"]
        self.handlers = {}
        self.modules = []
        self.taken = []
        self.failed = False

    def fail(self, what):
        self.failed = True
        print("part handler: %s" % what, file=sys.stderr)
        traceback.print_exc()

    def call(self, module, ctype, filename, payload, headers):
        wanted = getattr(module, "frequency", None) or PER_INSTANCE
        if wanted != PER_ALWAYS and self.frequency != PER_INSTANCE:
            return
        try:
            version = int(getattr(module, "handler_version", 1))
        except (TypeError, ValueError):
            version = 1
        arguments = [self.cloud, ctype, filename, payload]
        if version >= 2:
            arguments.append(self.frequency)
        if version >= 3:
            arguments.append(headers)
        try:
            module.handle_part(*arguments)
        except BaseException:
            self.fail("%s failed on %s" % (module.__name__, filename or ctype))

    def register(self, path):
        name = path.rsplit("/", 1)[-1][: -len(".py")]
        try:
            spec = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for ctype in module.list_types():
                self.handlers[ctype] = module
        except BaseException:
            self.fail("cannot load %s" % path)
            return
        self.modules.append(module)
        self.call(module, "__begin__", None, None, {})

    def part(self, part):
        module = self.handlers.get(part["type"])
        if part.get("handler"):
            self.register(part["handler"])
        elif module is not None:
            self.taken.append(part["index"])
            payload = base64.b64decode(part["body"])
            if part["type"].startswith("text/"):
                payload = payload.decode("utf-8", "surrogateescape")
            headers = {"Content-Type": part["type"]}
            self.call(module, part["type"], part["name"], payload, headers)

    def end(self):
        for module in self.modules:
            self.call(module, "__end__", None, None, {})


def provide_settings():
    """Lets handlers import the names of frequencies where cloud-init is not."""
    try:
        if importlib.util.find_spec("cloudinit.settings"):
            return
    except ImportError:
        pass
    package = types.ModuleType("cloudinit")
    settings = types.ModuleType("cloudinit.settings")
    settings.PER_INSTANCE = PER_INSTANCE
    settings.PER_ALWAYS = PER_ALWAYS
    settings.PER_ONCE = PER_ONCE
    settings.FREQUENCIES = [PER_INSTANCE, PER_ALWAYS, PER_ONCE]
    package.settings = settings
    package.__path__ = []
    sys.modules["cloudinit"] = package
    sys.modules["cloudinit.settings"] = settings


def main():
    with open(sys.argv[1]) as f:
        job = json.load(f)
    sys.dont_write_bytecode = True
    provide_settings()
    walk = Walk(job)
    for part in job["parts"]:
        walk.part(part)
    walk.end()
    with open(sys.argv[2], "w") as f:
        json.dump(walk.taken, f)
    return 1 if walk.failed else 0


sys.exit(main())
