"""A model of the family's EMV card: one APDU engine, card kinds as data, real signatures and cryptograms."""
