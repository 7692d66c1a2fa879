"""The golden vectors of the protocol: what they encode, how they are made, and the command that writes and checks them."""
