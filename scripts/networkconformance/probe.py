"""Renders network-config with the cloud-init of this system, for comparison.

Reads {"NAME": "document"} as JSON and writes {"NAME": {"RENDERER": {"files":
{"PATH": "text"}} or {"error": "..."}}}. Everything goes into a directory of its
own; the system's network is neither asked nor changed.
"""

import json
import logging
import os
import sys
import tempfile

from cloudinit import util
from cloudinit.net import eni, netplan, network_manager, network_state, networkd, sysconfig

logging.disable(logging.CRITICAL)

# What the document means must not depend on the machine that this runs on.
network_state.get_interfaces_by_mac = lambda *a, **k: {}
# The files are to be cloud-init's own, under the directory.
netplan.netplan_api_write_yaml_file = lambda content: False
util.chownbyname = lambda *a, **k: None

RENDERERS = {
    "eni": lambda: eni.Renderer({"eni_path": "etc/network/interfaces.d/50-cloud-init"}),
    "netplan": lambda: netplan.Renderer({"netplan_path": "etc/netplan/50-cloud-init.yaml", "features": ["ipv6-mtu", "default-routes"]}),
    "networkd": lambda: networkd.Renderer({}),
    "network-manager": lambda: network_manager.Renderer({}),
    "sysconfig": lambda: sysconfig.Renderer({
        "control": "etc/sysconfig/network",
        "iface_templates": "%(base)s/network-scripts/ifcfg-%(name)s",
        "route_templates": {
            "ipv4": "%(base)s/network-scripts/route-%(name)s",
            "ipv6": "%(base)s/network-scripts/route6-%(name)s",
        },
    }),
}


def render(document, name):
    config = util.load_yaml(document)
    config = config.get("network", config)
    renderer = RENDERERS[name]()
    with tempfile.TemporaryDirectory() as target:
        os.makedirs(target + "/etc")
        state = network_state.parse_net_config_data(config, renderer=renderer)
        templates = renderer.templates if name == "sysconfig" else None
        renderer.render_network_state(state, templates=templates, target=target)
        files = {}
        for folder, _, names in os.walk(target):
            for n in names:
                path = os.path.join(folder, n)
                with open(path) as f:
                    files[path[len(target):]] = f.read()
        return {"files": files}


def main():
    result = {}
    for name, document in json.load(sys.stdin).items():
        result[name] = {}
        for renderer in RENDERERS:
            try:
                result[name][renderer] = render(document, renderer)
            except Exception as e:
                result[name][renderer] = {"error": "%s: %s" % (type(e).__name__, e)}
    json.dump(result, sys.stdout)


main()
