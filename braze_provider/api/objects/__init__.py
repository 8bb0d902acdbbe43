"""The objects that Braze's requests share: who is addressed, which audience, when, and with what attached."""
