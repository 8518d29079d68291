# Renders templates as cloud-init does: instance data in the form that it gives
# to templates, its renderer, and its way of names that are missing.
# Standard input: a line of JSON with the instance data, then one for each
# template. Standard output: a line for each, {"text": ...} or {"error": ...}.
#
# A template may cost a second and half a gigabyte; what is more is an error.
import copy
import json
import logging
import resource
import signal
import sys

from cloudinit import templater, version
from cloudinit.handlers import jinja_template


class TooMuch(Exception):
    pass


def too_long(*_):
    raise TooMuch("it takes more than a second")


def main():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
    signal.signal(signal.SIGALRM, too_long)
    logging.disable(logging.CRITICAL)
    data = json.loads(sys.stdin.readline())
    variables = jinja_template.convert_jinja_instance_data(
        data, include_key_aliases=True
    )
    out = sys.stdout
    sys.stdout = sys.stderr
    print(json.dumps({"version": version.version_string()}), file=out, flush=True)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            text = templater.render_string(
                "## template: jinja\n" + json.loads(line), copy.deepcopy(variables)
            )
            signal.setitimer(signal.ITIMER_REAL, 0)
            if len(text) > 1 << 20:
                raise TooMuch("it gives more than a megabyte")
            result = {"text": text}
        except Exception as error:  # pylint: disable=broad-except
            signal.setitimer(signal.ITIMER_REAL, 0)
            result = {"error": ("%s: %s" % (type(error).__name__, error))[:500]}
        print(json.dumps(result), file=out, flush=False)
    out.flush()


main()
