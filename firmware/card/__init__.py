"""Everything above an ISO 7816-4 APDU exchange: TLV, commands, card authentication, the EMV kernel."""
