"""The curve P-256 (SP 800-186, 3.2.1.3): its constants, the group law in Jacobian coordinates, inverses.

A Jacobian point is three integers (x, y, z) that stand for (x/z^2, y/z^3); z = 0 is the point at infinity. Nothing here
takes constant time: big integers of MicroPython cannot.

The reduction is the built-in `%`. Montgomery's reduction was measured and loses, because every operation on
big integers costs about 1,100 instructions before its first digit (reduction 10,000; three Montgomery rounds 17,000).
"""

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GENERATOR_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GENERATOR_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5


def double(x: int, y: int, z: int) -> tuple:
    """Twice a Jacobian point, by the formulas for a = -3: 8 products and, summed before reducing, 7 reductions."""
    y_squared = y * y % P
    z_squared = z * z % P
    s = 4 * x * y_squared % P
    m = 3 * (x - z_squared) * (x + z_squared) % P
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * y_squared * y_squared) % P, 2 * y * z % P


def add_affine(x1: int, y1: int, z1: int, x2: int, y2: int) -> tuple:
    """A Jacobian point plus an affine one, for every pair of them: 11 products, 10 reductions."""
    if z1 == 0:
        return x2, y2, 1
    z_squared = z1 * z1 % P
    h = (x2 * z_squared - x1) % P
    r = (z_squared * z1 % P * y2 - y1) % P
    if h == 0:
        return double(x1, y1, z1) if r == 0 else (1, 1, 0)
    h_squared = h * h % P
    h_cubed = h * h_squared % P
    v = x1 * h_squared % P
    x3 = (r * r - h_cubed - 2 * v) % P
    return x3, (r * (v - x3) - y1 * h_cubed) % P, z1 * h % P


def is_on_curve(x: int, y: int) -> bool:
    """Whether y^2 = x^3 - 3x + b, for 0 <= x, y < p."""
    return (y * y - (x * x - 3) * x - B) % P == 0


def inverse(value: int, modulus: int) -> int:
    """1/value modulo a prime, by extended Euclid (MicroPython's pow gives 0 for a negative exponent).

    Raises ZeroDivisionError for a multiple of the modulus.
    """
    low, high = value % modulus, modulus
    if low == 0:
        raise ZeroDivisionError("no inverse of zero")
    low_factor, high_factor = 1, 0
    while low != 1:
        quotient, rest = divmod(high, low)
        low, high = rest, low
        low_factor, high_factor = high_factor - quotient * low_factor, low_factor
    return low_factor % modulus


def to_affine_steps(points: list):
    """Generate, and return at the end, the affine (x, y) of Jacobian points, none of them at infinity.

    One inversion serves them all; yields after it and after each point.
    """
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % P)
        yield
    inverted = inverse(products.pop(), P)
    yield
    affine = []
    for x, y, z in reversed(points):
        z_inverse = inverted * products.pop() % P
        inverted = inverted * z % P
        z_squared = z_inverse * z_inverse % P
        affine.append((x * z_squared % P, y * z_squared % P * z_inverse % P))
        yield
    affine.reverse()
    return affine
