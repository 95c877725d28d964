"""What a graph may be made of, whoever made it."""

OLDEST_OPSET = 18
NEWEST_OPSET = 20
IR_VERSION = 10
"""What runtimes that are still in use read; older operator sets lack operators of the defence."""

CONTROL_FLOW = {"If", "Loop", "Scan"}

LARGEST_GRAPH = 2**31 - 2**24
"""Bytes of weights in one file; protobuf ends at 2 GiB, names and nodes included."""
