"""Reads the golden vectors of the protocol on any interpreter, and holds decoded units against their fields."""

import json

from protocol import context as contexts
from protocol import grant, policy
from tests.support import mp
from tools.golden_vectors.world import RosterInMemory


def load(name):
    """A file of protocol/vectors."""
    with open(mp.ROOT + "/protocol/vectors/" + name) as file:  # noqa: PTH123 - runs on MicroPython too
        return json.load(file)


def context(of):
    """The context that a vector file carries."""
    entries = [[(bytes.fromhex(key), applications) for key, applications in cards] for cards in of["roster"]]
    held_roster = RosterInMemory(entries)
    assert held_roster.digest.hex() == of["roster_digest"]
    held_policy = policy.decode(bytes.fromhex(of["policy"]))
    grants = {}
    for octets in of["grants"]:
        one = grant.decode(bytes.fromhex(octets), of["kid"], held_roster.digest, held_policy.digest)
        grants[one.programme] = one
    return contexts.Context(held_roster, held_policy, grants)


def assert_fields(unit, fields):
    """Every field of a vector stands in the decoded unit."""
    for name in fields:
        assert plain(getattr(unit, name)) == plain_of(fields[name]), name


def plain(value):
    """A value as the vectors have it: octets in hex, tuples as lists, objects as dictionaries of what a vector names."""
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if value is None or isinstance(value, (int, str, bool)):
        return value
    return {
        name: plain(getattr(value, name))
        for name in dir(value)
        if name[0] != "_" and not callable(getattr(value, name))
    }


def plain_of(value):
    """The vector's side, without what only the encoder's object had."""
    return value
