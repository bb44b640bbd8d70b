"""From the rows to the whitened least-squares system, in one pass."""
