"""Reads metadata documents with the datasources of this system's cloud-init.

Reads {"NAME": {"source", "docs", "evidence", "netplan"}} as JSON: the documents
by path, what the machine's firmware says, and the netplan file that boothook
would write. Writes {"NAME": {"theirs": {...}, "links": {...}, "ours": {...}}}:
what cloud-init makes of the documents, and the networks of both sides as facts
about each link. Nothing of this machine is asked, and nothing of it changed.
"""

import base64
import contextlib
import ipaddress
import json
import logging
import os
import re
import sys
import tempfile

import requests
import yaml

from cloudinit import distros, dmi, helpers, net, subp, url_helper, util
from cloudinit.net import netplan, network_state
from cloudinit import sources

logging.disable(logging.CRITICAL)

NICS = {"fa:16:3e:12:34:01": "eth0", "fa:16:3e:12:34:02": "eth1", "fa:16:3e:12:34:03": "eth2"}
DMI = {
    "product_name": "system-product-name", "product_serial": "system-serial-number", "product_uuid": "system-uuid",
    "sys_vendor": "system-manufacturer", "chassis_asset_tag": "chassis-asset-tag", "product_version": "system-version",
}


class Context:
    """Stands for an ephemeral network."""

    def __init__(self, *args, **kwargs):
        self.state_msg = ""

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def __getitem__(self, key):
        return "192.0.2.10"

    def obtain_lease(self, *args, **kwargs):
        return {"interface": "eth0", "fixed-address": "192.0.2.10"}


class Machine:
    """What the datasources may ask of the machine."""

    def __init__(self, case):
        self.docs = {p: base64.b64decode(b) for p, b in case["docs"].items()}
        evidence = case.get("evidence") or {}
        self.dmi = {DMI[k]: v for k, v in (evidence.get("dmi") or {}).items() if k in DMI}
        self.nics = evidence.get("nics") or NICS

    def answer(self, method, url):
        """Gives status and body, with listings of directories."""
        path = url.split("://", 1)[1].split("/", 1)
        path = path[1] if len(path) > 1 else ""
        if method.upper() == "PUT":
            return 200, b"token"
        if method.upper() in ("POST", "PATCH"):
            return 200, b""
        # EC2's dated versions hold what its latest does.
        path = re.sub(r"^20\d\d-\d\d-\d\d/", "latest/", path) if "latest/meta-data/instance-id" in self.docs else path
        path = path.replace("recursive=True", "recursive=true")
        if "?" in path and path not in self.docs and path.replace("/?", "?") in self.docs:
            path = path.replace("/?", "?")
        if path in self.docs:
            return 200, self.docs[path]
        if path.rstrip("/") + "/" in self.docs:
            return 200, self.docs[path.rstrip("/") + "/"]
        below = path if path.endswith("/") or path == "" else path + "/"
        names = []
        for p in sorted(self.docs):
            if p.startswith(below) and p != below:
                rest = p[len(below):]
                name = rest.split("/", 1)[0] + ("/" if "/" in rest else "")
                if name not in names:
                    names.append(name)
        if names:
            return 200, "\n".join(names).encode()
        return 404, b"not found"

    def request(self, method, url):
        status, body = self.answer(method, url)
        r = requests.Response()
        r.status_code, r._content, r.url, r.encoding = status, body, url, "utf-8"
        r.reason = "OK" if status == 200 else "Not Found"
        r.request = requests.Request(method, url).prepare()
        return r

    def directory(self, top, prefix=""):
        for path, body in self.docs.items():
            file = os.path.join(top, prefix, path)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "wb") as f:
                f.write(body)
        return top


class Gateways:
    """Leases on EC2, whose routers have the first address of each subnet."""

    def __init__(self, machine):
        self.machine = machine

    def dhcp_discovery(self, nic, *args, **kwargs):
        mac = {n: m for m, n in self.machine.nics.items()}[nic]
        for path, body in self.machine.docs.items():
            if mac in path and path.endswith("subnet-ipv4-cidr-block"):
                return {"routers": str(ipaddress.ip_network(body.decode())[1])}
        raise LookupError(nic)


def wait_for_url(urls, headers_cb=None, request_method="", **kwargs):
    for url in urls:
        try:
            headers = headers_cb(url) if headers_cb else {}
            r = url_helper.readurl(url, headers=headers, request_method=request_method)
            return url, r.contents
        except url_helper.UrlError:
            continue
    return False, None


def quiet(module, machine):
    """Replaces what would touch this machine, wherever a module imported it."""
    def by_mac(*a, **k):
        return dict(machine.nics)

    replaced = {
        "EphemeralDHCPv4": Context, "EphemeralIPNetwork": Context, "EphemeralIPv6Network": Context,
        "EphemeralIPv4Network": Context, "get_interfaces_by_mac": by_mac, "get_physical_nics_by_mac": lambda distro=None: by_mac(),
        "find_fallback_nic": lambda *a, **k: "eth0", "find_candidate_nics": lambda *a, **k: list(machine.nics.values()),
        "get_devicelist": lambda *a, **k: list(machine.nics.values()),
        "get_ib_hwaddrs_by_interface": lambda *a: {}, "udevadm_settle": lambda *a, **k: None,
        "get_interface_mac": lambda name: {n: m for m, n in machine.nics.items()}.get(name),
        "get_interfaces": lambda *a, **k: [(n, m, "virtio_net", "0x0") for m, n in machine.nics.items()],
        "wait_for_url": wait_for_url, "get_vr_address": lambda *a: "192.0.2.1", "is_resolvable_url": lambda *a: True, "is_resolvable": lambda *a: True,
        "mounts": lambda: {}, "has_mount_opt": lambda *a: False, "get_mount_info": lambda *a, **k: None, "fetch_ssl_details": lambda *a: None,
        "is_up": lambda n: True, "device_driver": lambda n: "virtio_net",
    }
    for name, value in replaced.items():
        if hasattr(module, name):
            setattr(module, name, value)
    for name in ("get_dev_features", "get_interface_speed"):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: "")


def load(name):
    return __import__("cloudinit.sources.DataSource" + name, fromlist=["x"])


CLASSES = {
    "akamai": ("Akamai", "DataSourceAkamai"), "aliyun": ("AliYun", "DataSourceAliYun"), "azure": ("Azure", "DataSourceAzure"),
    "cloudcix": ("CloudCIX", "DataSourceCloudCIX"), "cloudstack": ("CloudStack", "DataSourceCloudStack"),
    "configdrive": ("ConfigDrive", "DataSourceConfigDrive"), "digitalocean": ("DigitalOcean", "DataSourceDigitalOcean"),
    "ec2": ("Ec2", "DataSourceEc2"), "exoscale": ("Exoscale", "DataSourceExoscale"), "gce": ("GCE", "DataSourceGCE"),
    "hetzner": ("Hetzner", "DataSourceHetzner"), "ibmcloud": ("IBMCloud", "DataSourceIBMCloud"), "lxd": ("LXD", "DataSourceLXD"),
    "maas": ("MAAS", "DataSourceMAAS"), "nocloud": ("NoCloud", "DataSourceNoCloud"), "nwcs": ("NWCS", "DataSourceNWCS"),
    "opennebula": ("OpenNebula", "DataSourceOpenNebula"), "openstack": ("OpenStack", "DataSourceOpenStack"),
    "oracle": ("Oracle", "DataSourceOracle"), "ovf": ("OVF", "DataSourceOVF"), "rbxcloud": ("RbxCloud", "DataSourceRbxCloud"),
    "scaleway": ("Scaleway", "DataSourceScaleway"), "smartos": ("SmartOS", "DataSourceSmartOS"),
    "upcloud": ("UpCloud", "DataSourceUpCloud"), "vmware": ("VMware", "DataSourceVMware"), "vultr": ("Vultr", "DataSourceVultr"),
}
HARDWARE = {
    "akamai": {"system-manufacturer": "Linode", "system-serial-number": "123"},
    "digitalocean": {"system-manufacturer": "DigitalOcean", "system-serial-number": "2756294"},
    "hetzner": {"system-manufacturer": "Hetzner"}, "upcloud": {"system-manufacturer": "UpCloud", "system-uuid": "00322b68-0096-4042-9406-faad61922128"}, "nwcs": {"system-manufacturer": "NWCS"},
    "azure": {"chassis-asset-tag": "7783-7084-3265-9085-8269-3286-77"}, "gce": {"system-product-name": "Google Compute Engine"},
    "cloudcix": {"system-product-name": "CloudCIX"}, "exoscale": {"system-product-name": "Exoscale"},
    "smartos": {"system-product-name": "SmartDC HVM"}, "vultr": {"system-manufacturer": "Vultr"},
    "aliyun": {"system-product-name": "Alibaba Cloud ECS"},
    "ec2": {"system-manufacturer": "Amazon EC2", "system-uuid": "ec2ae145-d1b6-4f0e-9dc5-29ec45e8d4b5", "system-serial-number": "ec2ae145-d1b6-4f0e-9dc5-29ec45e8d4b5"},
}
# What stands in for the image's cloud.cfg.
SETTINGS = {
    "ec2": {"datasource": {"Ec2": {"strict_id": False, "apply_full_imds_network_config": True, "max_wait": 1, "timeout": 1}}},
    "oracle": {"datasource": {"Oracle": {"configure_secondary_nics": True}}},
    "opennebula": {"datasource": {"OpenNebula": {"parseuser": None}}},
    "maas": {"datasource": {"MAAS": {"metadata_url": "http://maas.example/MAAS/metadata", "max_wait": 1}}},
    "nocloud": {"datasource": {"NoCloud": {}}},
}


def serial_port(module, machine):
    """The client of SmartOS' serial port, with the documents at its other end."""
    class Client(module.JoyentMetadataLegacySerialClient):
        def exists(self):
            return True

        def open_transport(self):
            pass

        def close_transport(self):
            pass

        def _get(self, key, default=None, strip=False):
            if key not in machine.docs:
                return default
            v = machine.docs[key].decode()
            return v.strip() if strip else v

        def list(self):
            return list(machine.docs)

    return Client("/dev/null")


def prepare(name, module, machine, ds, top):
    """Leads a datasource to its documents."""
    seed = ds.paths.seed_dir

    def mounted(device=None, callback=None, *a, **k):
        return callback(machine.directory(tempfile.mkdtemp(dir=top)))

    if name in ("nocloud", "configdrive", "opennebula", "ovf"):
        folder = {"nocloud": "nocloud", "configdrive": "config_drive", "opennebula": "opennebula", "ovf": ""}[name]
        machine.directory(os.path.join(seed, folder))
        module.util.find_devs_with = lambda *a, **k: []
    if name == "nocloud":
        ds.seed_dirs = [os.path.join(seed, "nocloud")]
    if name == "configdrive":
        module.find_candidate_devs = lambda *a, **k: []
    if name == "rbxcloud":
        module.util.find_devs_with = lambda *a, **k: ["/dev/vdb"]
        module.util.mount_cb = mounted
    if name == "ibmcloud":
        folder = machine.directory(tempfile.mkdtemp(dir=top))
        module.get_ibm_platform = lambda: (module.Platforms.TEMPLATE_LIVE_METADATA, folder)
        module._read_system_uuid = lambda: "uuid"
    if name == "ovf":
        with open(os.path.join(top, "ovf-env.xml"), "wb") as f:
            f.write(machine.docs["ovf-env.xml"])
        contents = machine.docs["ovf-env.xml"].decode()
        module.get_ovf_env = lambda *a: (None, False)
        module.transport_vmware_guestinfo = lambda: contents
    if name == "vmware":
        module.is_vmware_platform = lambda: True
        module.which = lambda n: "/bin/" + n if n == "vmware-rpctool" else None
        module.exec_vmware_rpctool = lambda tool, arg: (machine.docs.get(arg.split(" ", 1)[1], b"").decode(), "" if arg.split(" ", 1)[1] in machine.docs else module.NOVAL)
        module.guestinfo_set_value = lambda *a, **k: None
        module.get_product_uuid = lambda *a: machine.dmi.get("system-uuid", "")
        uuid = os.path.join(top, "product_uuid")
        with open(uuid, "w") as f:
            f.write(machine.dmi.get("system-uuid", ""))
        module.PRODUCT_UUID_FILE_PATH = uuid
    if name == "smartos":
        ds._init = lambda: None
        ds.smartos_type, ds.md_client = "kvm", serial_port(module, machine)
        module.write_boot_content = lambda *a, **k: None
        ds._set_provisioned = lambda: None
    if name == "cloudstack":
        module.CloudStackPasswordServerClient.get_password = lambda self: (machine.docs.get("password", b"").decode() or None)
    if name == "exoscale":
        module.get_password = lambda *a, **k: machine.docs.get("password", b"").decode() or None
    if name == "azure":
        folder = machine.directory(tempfile.mkdtemp(dir=top)) if "ovf-env.xml" in machine.docs else None
        module.list_possible_azure_ds = lambda *a: [folder] if folder else []
        ds._setup_ephemeral_networking = lambda *a, **k: None
        ds._is_ephemeral_networking_up = lambda: True
        ds._report_ready = lambda *a, **k: []
        ds._negotiated = True
        ds._iid = lambda *a: machine.dmi.get("system-uuid", "").lower()
        ds._report_failure = lambda *a, **k: None
        module._get_random_seed = lambda *a: None
        # A hash has another salt each time.
        module.encrypt_pass = lambda password, *a: "hash of " + password
        imds = next((b for p, b in machine.docs.items() if p.startswith("metadata/instance")), b"{}")
        ds.get_metadata_from_imds = lambda *a, **k: json.loads(imds)
        ds.validate_imds_network_metadata = lambda **k: True
    if name == "scaleway":
        ds._set_metadata_url = lambda urls: (setattr(ds, "metadata_url", "http://169.254.42.42/conf?format=json"), setattr(ds, "userdata_url", "http://169.254.42.42/user_data/cloud-init"), setattr(ds, "vendordata_url", "http://169.254.42.42/vendor_data/cloud-init"))
        module.query_data_api = lambda kind, url, *a, **k: (machine.answer("GET", url)[1] if machine.answer("GET", url)[0] == 200 else None)
    if name == "vultr":
        from cloudinit.sources.helpers import vultr
        vultr.get_metadata.cache_clear() if hasattr(vultr.get_metadata, "cache_clear") else None
        quiet(vultr, machine)
        vultr.is_vultr = lambda: True
        vultr.bypass = False
    if name == "digitalocean":
        from cloudinit.sources.helpers import digitalocean
        quiet(digitalocean, machine)
        digitalocean.assign_ipv4_link_local = lambda *a, **k: None
        digitalocean.del_ipv4_link_local = lambda *a, **k: None
    if name == "gce":
        module.get_default_user = None
    if name == "oracle":
        module._is_iscsi_root = lambda *a: False
        ds._is_iscsi_root = lambda: False
        module._read_system_uuid = lambda: "uuid"
    if name == "lxd":
        module.requests.Session.mount = lambda *a, **k: None
        module.get_socket_path = lambda: "/dev/null"
    for loaded, helper in list(sys.modules.items()):
        if loaded.startswith("cloudinit.sources.helpers."):
            quiet(helper, machine)


def text(v):
    if v is None:
        return ""
    return base64.b64encode(v if isinstance(v, bytes) else str(v).encode("utf-8", "surrogateescape")).decode()


def read(case, top):
    name = case["source"]
    machine = Machine(case)
    dmi_values = dict(HARDWARE.get(name, {}))
    dmi_values.update(machine.dmi)
    machine.dmi = dmi_values
    dmi.read_dmi_data = lambda key: dmi_values.get(key)
    requests.Session.request = lambda session, method, url, **kwargs: machine.request(method, url)
    url_helper.time.sleep = lambda *a: None
    for m in (net, url_helper, util, network_state):
        quiet(m, machine)
    module = load(CLASSES[name][0])
    quiet(module, machine)
    if hasattr(getattr(module, "time", None), "monotonic"):
        module.time.sleep = lambda *a: None
    paths = helpers.Paths({"cloud_dir": top, "run_dir": top})
    distro = distros.fetch("debian")("debian", {"default_user": {"name": "debian"}, "ssh_svcname": "ssh"}, paths)
    distro._fallback_interface = "eth0"
    # GCE's datasource asks for a distribution's own path.
    cfg = dict(SETTINGS.get(name, {}))
    cfg["system_info"] = {"default_user": {"name": "debian"}}
    ds = getattr(module, CLASSES[name][1])(cfg, distro, paths)
    ds.ds_detect = lambda: True
    type(distro).network_renderer = property(lambda self: netplan.Renderer({}))
    type(distro).dhcp_client = property(lambda self: Gateways(machine))
    ds.distro.get_tmp_exec_path = lambda: top
    ds.distro.fallback_interface = "eth0"
    prepare(name, module, machine, ds, top)
    if not ds._get_data():
        return {"error": "no data"}
    return whole(name, ds)


def whole(name, ds):
    md = ds.metadata if isinstance(ds.metadata, dict) else {}
    vendor = ds.vendordata_raw
    if vendor is not None and not isinstance(vendor, (str, bytes)):
        vendor = sources.convert_vendordata(vendor)
    if isinstance(vendor, list):
        vendor = "#cloud-config-archive\n" + json.dumps([v if isinstance(v, str) else v for v in vendor])
    hostname = md.get("local-hostname") or md.get("hostname")
    if name == "gce":
        hostname = ds.get_hostname().hostname
    config = dict(ds.get_config_obj() or {}) if hasattr(ds, "get_config_obj") else {}
    extra = []
    if name == "rbxcloud":
        # The network and the keys are compared as such.
        config.pop("network_config", None)
        account = dict(config["system_info"]["default_user"])
        extra = account.pop("ssh_authorized_keys", None) or []
        config["system_info"] = {"default_user": account}
    if name == "smartos":
        # So is SmartOS' further disk.
        config = {k: v for k, v in config.items() if k not in ("disk_setup", "fs_setup")}
    if name == "azure":
        # Discs of Azure's own are formatted and mounted by the image, not here.
        config = {k: v for k, v in config.items() if k in ("system_info", "ssh_pwauth", "chpasswd", "password")}
    out = {
        "id": str(ds.get_instance_id() or ""), "hostname": str(hostname or ""),
        "keys": [str(k) for k in (ds.get_public_ssh_keys() or []) + extra],
        "user": text(ds.userdata_raw), "vendor": text(vendor), "config": config,
    }
    try:
        # VMware's makes one up from this machine's NICs.
        network = None if name == "vmware" and "network" not in md else ds.network_config
    except Exception as e:
        network, out["network_error"] = None, "%s: %s" % (type(e).__name__, e)
    if network is sources.UNSET:
        network = None
    out["network"] = network
    return out


def rendered(network):
    """What cloud-init writes for netplan."""
    if not network:
        return ""
    network = network.get("network", network)
    if network.get("config") == "disabled":
        return ""
    netplan.netplan_api_write_yaml_file = lambda content: False
    with tempfile.TemporaryDirectory() as target:
        os.makedirs(target + "/etc")
        renderer = netplan.Renderer({"netplan_path": "etc/netplan/50.yaml", "features": ["ipv6-mtu", "default-routes"]})
        state = network_state.parse_net_config_data(network, renderer=renderer)
        renderer.render_network_state(state, target=target)
        with open(target + "/etc/netplan/50.yaml") as f:
            return f.read()


def prefix(v):
    try:
        return str(ipaddress.ip_interface(str(v)))
    except ValueError:
        return str(v)


def network_of(v, via=""):
    v = str(v)
    if v in ("default", "0.0.0.0/0", "::/0"):
        return "::/0" if v == "::/0" or ":" in str(via) else "0.0.0.0/0"
    try:
        return str(ipaddress.ip_network(v, strict=False))
    except ValueError:
        return v


def facts(document, nics):
    """Reads a netplan file: facts about each link, by its hardware address or name."""
    out = {}
    if not document:
        return out
    document = (yaml.safe_load(document) or {}).get("network") or {}
    names = {n: m for m, n in nics.items()}

    def key(ident, link):
        mac = str((link.get("match") or {}).get("macaddress") or "").lower()
        return mac or names.get(ident) or names.get(link.get("set-name")) or ident

    ids = {}
    for kind in ("ethernets", "bonds", "bridges", "vlans"):
        for ident, link in (document.get(kind) or {}).items():
            ids[ident] = key(ident, link or {}) if kind == "ethernets" else ident
    by_final = dict(ids)
    # Virtual links have no address to go by: they are what they are made of.
    for ident, link in (document.get("bonds") or {}).items():
        by_final[ident] = "bond of " + ",".join(sorted(str(ids.get(i, i)) for i in link.get("interfaces") or []))
    for ident, link in (document.get("vlans") or {}).items():
        parent = link.get("link")
        by_final[ident] = "vlan %s on %s" % (link.get("id"), by_final.get(parent, parent))
    for kind in ("ethernets", "bonds", "bridges", "vlans"):
        for ident, link in (document.get(kind) or {}).items():
            link = link or {}
            own = set()
            for a in link.get("addresses") or []:
                own.add("address " + prefix(a if isinstance(a, str) else list(a)[0]))
            for f in ("dhcp4", "dhcp6"):
                if link.get(f):
                    own.add(f)
                    for k, v in (link.get(f + "-overrides") or {}).items():
                        own.add("%s %s=%s" % (f, k, str(v).lower()))
            for r in link.get("routes") or []:
                own.add(route(r))
            for f in ("gateway4", "gateway6"):
                if link.get(f):
                    own.add(route({"to": "default", "via": link[f]}))
            for r in link.get("routing-policy") or []:
                own.add("rule " + " ".join("%s=%s" % (k, prefix(v) if k in ("from", "to") else v) for k, v in sorted(r.items())))
            dns = link.get("nameservers") or {}
            for a in dns.get("addresses") or []:
                out.setdefault("resolver", set()).add("server " + str(a))
            for s in dns.get("search") or []:
                out.setdefault("resolver", set()).add("search " + str(s))
            for k in ("mtu", "accept-ra", "wakeonlan", "ipv6-mtu", "optional"):
                if k in link and link[k] not in (None, ""):
                    own.add("%s %s" % (k, str(link[k]).lower()))
            if kind != "ethernets" and link.get("macaddress") is not None:
                own.add("macaddress %s" % str(link["macaddress"]).lower())
            for k, v in (link.get("parameters") or {}).items():
                own.add("%s %s" % (k, str(v).lower()))
            name = link.get("set-name")
            if kind == "ethernets" and name and nics.get(by_final[ident]) not in (None, name):
                own.add("named " + name)
            out.setdefault(by_final[ident], set()).update(own or {"there"})
    return out


def route(r):
    words = ["to=" + network_of(r.get("to"), r.get("via"))]
    for k in ("via", "metric", "table", "on-link", "type", "scope", "from"):
        if r.get(k) not in (None, False, ""):
            words.append("%s=%s" % (k, str(r[k]).lower()))
    return "route " + " ".join(words)


def serial(f):
    return {k: sorted(v) for k, v in f.items()}


def one(case):
    nics = (case.get("evidence") or {}).get("nics") or NICS
    result = {}
    with tempfile.TemporaryDirectory() as top:
        try:
            result["theirs"] = read(case, top)
        except Exception as e:
            result["theirs"] = {"error": "%s: %s" % (type(e).__name__, e)}
    theirs = result["theirs"]
    try:
        theirs["netplan"] = rendered(theirs.get("network"))
        result["links"] = serial(facts(theirs["netplan"], nics))
    except Exception as e:
        theirs["network_error"] = "%s: %s" % (type(e).__name__, e)
        result["links"] = {}
    theirs["network"] = json.dumps(theirs.get("network"), default=str)
    result["ours"] = serial(facts(case.get("netplan"), nics))
    vendor = base64.b64decode(case.get("vendor") or "")
    if vendor.startswith(b"#cloud-config\n"):
        with contextlib.suppress(Exception):
            result["our_config"] = yaml.safe_load(vendor)
    return result


def main():
    # Each case has a process of its own: what a datasource remembers is gone then.
    for name, _ in CLASSES.values():
        load(name)
    out = {}
    for name, case in json.load(sys.stdin).items():
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as f:
                json.dump(one(case), f, default=str)
                f.flush()
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as f:
            body = f.read()
        os.waitpid(child, 0)
        out[name] = json.loads(body) if body else {"theirs": {"error": "the probe died"}, "links": {}, "ours": {}}
    json.dump(out, sys.stdout)


main()
