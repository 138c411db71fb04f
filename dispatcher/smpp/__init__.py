"""SMPP 3.4 as bytes: what a provider is spoken to in. Values in, values out, and no I/O."""
