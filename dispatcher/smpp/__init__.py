"""A codec for SMPP 3.4: values to bytes and back, without I/O."""
