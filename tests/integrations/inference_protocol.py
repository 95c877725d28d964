"""A server of the Open Inference Protocol (v2) that runs a repository's model as Triton would."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

TYPES = {"INT64": np.int64, "FP32": np.float32}
NAMES = {"float32": "FP32", "bool": "BOOL"}
LENGTH = "Inference-Header-Content-Length"


@contextmanager
def served(model):
    """Yields ``host:port`` of a server of the model's folder."""
    session = onnxruntime.InferenceSession(model / "1" / "model.onnx")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            inputs = [{"name": one.name} for one in session.get_inputs()]
            self.answer({"name": model.name, "inputs": inputs})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            size = int(self.headers[LENGTH])
            head, data = json.loads(body[:size]), body[size:]
            feed = {}
            for one in head["inputs"]:
                length = one["parameters"]["binary_data_size"]
                values = np.frombuffer(data[:length], TYPES[one["datatype"]])
                feed[one["name"]], data = values.reshape(one["shape"]), data[length:]
            names = [one["name"] for one in head["outputs"]]
            arrays = session.run(names, feed)
            outputs = [
                {
                    "name": name,
                    "datatype": NAMES[str(array.dtype)],
                    "shape": array.shape,
                    "parameters": {"binary_data_size": array.nbytes},
                }
                for name, array in zip(names, arrays, strict=True)
            ]
            blobs = b"".join(array.tobytes() for array in arrays)
            self.answer({"model_name": model.name, "outputs": outputs}, blobs)

        def answer(self, head, data=b""):
            text = json.dumps(head).encode()
            self.send_response(200)
            self.send_header(LENGTH, str(len(text)))
            self.send_header("Content-Length", str(len(text) + len(data)))
            self.end_headers()
            self.wfile.write(text + data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
