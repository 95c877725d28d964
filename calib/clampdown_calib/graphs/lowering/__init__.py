"""The traced graph in another precision, or fused for one kind of device."""
