"""Says what the PyYAML installed here makes of documents.

Runs inside a chroot. Standard input is a JSON list of documents; standard
output is JSON: {"version": TEXT, "trees": [TREE or {"error": TEXT}]}. A tree is
[NUMBER, TAG, LINE, COLUMN, CONTENT] with a scalar's text or a list of trees as
content, or the bare number of a node that has been there before.
"""

import json
import sys

import yaml

CORE = "tag:yaml.org,2002:"


class Refused(Exception):
    """What boothook refuses by its own rules, which the package names."""


def tag_of(loader, node, explicit):
    tag = node.tag
    if isinstance(node, yaml.ScalarNode) and tag.startswith(CORE) and not explicit:
        # Text is what PyYAML takes for more and then cannot construct, or
        # what has no room in 64 bits.
        try:
            value = loader.construct_object(node, deep=True)
            if isinstance(value, int) and not -(2**63) < value < 2**63:
                tag = CORE + "str"
        except Exception:
            if tag != CORE + "merge":
                tag = CORE + "str"
    if tag.startswith(CORE):
        return "!!" + tag[len(CORE):]
    return "!<%s>" % tag if tag.startswith("!!") else tag


def tree(loader, node, seen, open_nodes):
    if id(node) in open_nodes:
        raise Refused("an anchor that contains itself")
    if id(node) in seen:
        return seen[id(node)]
    number = seen[id(node)] = len(seen)
    open_nodes.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        content = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
    elif isinstance(node, yaml.SequenceNode):
        content = [tree(loader, n, seen, open_nodes) for n in node.value]
    else:
        content = [tree(loader, n, seen, open_nodes) for pair in node.value for n in pair]
    open_nodes.remove(id(node))
    explicit = id(node) in loader.explicit
    mark = node.start_mark
    return [number, tag_of(loader, node, explicit), mark.line + 1, mark.column + 1, content]


class Loader(yaml.SafeLoader):
    """PyYAML's own reader, which also notes whose tag stands in the text."""

    def __init__(self, stream):
        super().__init__(stream)
        self.explicit = set()

    def compose_scalar_node(self, anchor):
        event = self.peek_event()
        node = super().compose_scalar_node(anchor)
        if event.tag not in (None, "!"):
            self.explicit.add(id(node))
        return node


def read(document):
    try:
        loader = Loader(document)
        node = loader.get_single_node()
        return None if node is None else tree(loader, node, {}, set())
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}


def main():
    sys.setrecursionlimit(10000)
    out = {"version": yaml.__version__, "trees": [read(d) for d in json.load(sys.stdin)]}
    json.dump(out, sys.stdout)


main()
