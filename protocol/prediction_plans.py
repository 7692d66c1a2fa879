"""What each kind of record consists of, as codec 1 sees it: which fields are usually as expected, which are sent."""

from protocol import prediction_proof, records


class Plan:
    """What a kind of record consists of, for the model.

    `names` are usually as expected, `read` gives their values; `sent` are sent each time: (name, octets), or 0 octets
    for a number.
    """

    def __init__(
        self, parts: str, names: tuple[str, ...], read: object, sent: tuple[tuple[str, int], ...] = ()
    ) -> None:
        self.has_card = "card" in parts
        self.has_reference = "reference" in parts
        self.has_programme = "programme" in parts
        self.has_proof = "proof" in parts
        self.names = names
        self.read = read
        self.sent = sent
        self.width = len(names) + (len(prediction_proof.FIELDS) if self.has_proof else 0)


PLANS = {
    records.REDEMPTION: Plan(
        "card programme proof",
        ("time_trust", "tender", "period", "lease", "method", "flags", "reason"),
        lambda r: (r.time_trust, r.tender, r.period, r.lease, r.method, r.flags, r.reason),
    ),
    records.VOID: Plan(
        "card reference programme proof",
        ("time_trust", "period", "reason"),
        lambda r: (r.time_trust, r.period, r.reason),
    ),
    records.GOODS_RECEIVED: Plan(
        "card reference proof", ("time_trust", "method"), lambda r: (r.time_trust, r.method)
    ),
    records.RETURN: Plan(
        "card programme",
        ("time_trust", "period", "lease"),
        lambda r: (r.time_trust, r.period, r.lease),
        (("amount_rupiah", 0),),
    ),
    records.PERIOD_CLOSE: Plan(
        "programme",
        ("time_trust", "period"),
        lambda r: (r.time_trust, r.period),
        (
            ("redeemed_count", 0),
            ("redeemed_rupiah", 0),
            ("voided_count", 0),
            ("voided_rupiah", 0),
            ("returned_count", 0),
            ("returned_rupiah", 0),
        ),
    ),
    records.ENROL: Plan(
        "card",
        ("time_trust", "application_index"),
        lambda r: (r.time_trust, r.application_index),
        (("verifier", 16),),
    ),
    records.ADOPTION: Plan(
        "", ("time_trust",), lambda r: (r.time_trust,), (("subject", 0), ("number", 0), ("digest", 32))
    ),
    records.STOCK_RECEIVED: Plan("", ("time_trust",), lambda r: (r.time_trust,), (("supplier", 0),)),
    records.EVENT: Plan("", ("time_trust", "operator"), lambda r: (r.time_trust, r.operator), (("code", 0),)),
}
