"""Comparison of secrets that takes the same work wherever they differ."""


def equal(a: bytes, b: bytes) -> bool:
    """Whether `a` and `b` hold the same octets; every octet is looked at, only a difference in length shows early."""
    if len(a) != len(b):
        return False
    difference = 0
    for left, right in zip(a, b):
        difference |= left ^ right
    return difference == 0
