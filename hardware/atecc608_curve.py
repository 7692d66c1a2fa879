"""P-256 inside the ATECC608 model: multiples of points, ECDSA and ECDH on whole numbers, plain rather than fast.

Points are pairs (x, y), None is the point at infinity; inside, Jacobian triples (x, y, z).
"""

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def is_on_curve(point) -> bool:
    x, y = point
    return x < P and y < P and (y * y - x * x * x + 3 * x - B) % P == 0


def multiply(scalar: int, point):
    """The multiple scalar * point, by doubling and adding from the top bit."""
    x, y, z = 1, 1, 0
    for bit in range(255, -1, -1):
        x, y, z = _double(x, y, z)
        if scalar >> bit & 1:
            x, y, z = _add(x, y, z, point)
    return _affine(x, y, z)


def add(one, other):
    """The sum of two points."""
    if one is None or other is None:
        return one or other
    return _affine(*_add(one[0], one[1], 1, other))


def sign(private: int, digest: bytes, nonce: int):
    """(r, s) over a digest of 32 octets; None if this nonce gives none."""
    r = multiply(nonce, G)[0] % N
    s = pow(nonce, N - 2, N) * (int.from_bytes(digest, "big") + r * private) % N
    return (r, s) if r and s else None


def verify(point, digest: bytes, r: int, s: int) -> bool:
    """Whether (r, s), any s, is the signature of a digest under the public key `point`."""
    if not (0 < r < N and 0 < s < N):
        return False
    inverse = pow(s, N - 2, N)
    of_generator = multiply(int.from_bytes(digest, "big") * inverse % N, G)
    total = add(of_generator, multiply(r * inverse % N, point))
    return total is not None and total[0] % N == r


def encode(pair) -> bytes:
    """64 octets of two numbers: a point's x and y, a signature's r and s."""
    return pair[0].to_bytes(32, "big") + pair[1].to_bytes(32, "big")


def decode(octets: bytes):
    """Two numbers of 64 octets."""
    return int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:64], "big")


def _double(x: int, y: int, z: int):
    y2 = y * y % P
    s = 4 * x * y2 % P
    m = 3 * (x - z * z) * (x + z * z) % P
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * y2 * y2) % P, 2 * y * z % P


def _add(x: int, y: int, z: int, point):
    if point is None:
        return x, y, z
    if z == 0:
        return point[0], point[1], 1
    z2 = z * z % P
    h = (point[0] * z2 - x) % P
    r = (point[1] * z2 * z - y) % P
    if h == 0:
        return _double(x, y, z) if r == 0 else (1, 1, 0)
    h2 = h * h % P
    h3 = h * h2 % P
    x3 = (r * r - h3 - 2 * x * h2) % P
    return x3, (r * (x * h2 - x3) - y * h3) % P, z * h % P


def _affine(x: int, y: int, z: int):
    if z == 0:
        return None
    inverse = pow(z, P - 2, P)
    return x * inverse * inverse % P, y * inverse * inverse * inverse % P
