"""Keeps ONNX Runtime from sending and storing what it does; imported before it.

Since release 1.32 it asks for a collector of its vendor when a session is created, and keeps a
device's number and a database of events in the user's cache. Who wants that sets
``ORT_DISABLE_TELEMETRY=0``.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
