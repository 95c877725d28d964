"""Servers of the Open Inference Protocol (v2), over HTTP and gRPC, of a repository's model."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from served_model import ServedModel, decoded
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

LENGTH = "Inference-Header-Content-Length"


@contextmanager
def served(folder, protocol="http"):
    """Yields ``host:port`` of a server of the model's folder."""
    with {"http": _over_http, "grpc": _over_grpc}[protocol](ServedModel(folder)) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def _over_http(model):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == f"/v2/models/{model.name}"
            self.answer({"name": model.name, "inputs": model.metadata()})

        def do_POST(self):
            assert self.path == f"/v2/models/{model.name}/infer"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            size = int(self.headers[LENGTH])
            head, data = json.loads(body[:size]), body[size:]
            given = {}
            for one in head["inputs"]:
                length = one["parameters"]["binary_data_size"]
                given[one["name"]] = decoded(data[:length], one["datatype"], one["shape"])
                data = data[length:]
            names = [one["name"] for one in head["outputs"]]
            try:
                arrays = model.run(given, names)
            except ValueError as error:
                return self.answer({"error": str(error)}, status=400)
            outputs = [
                {**tensor(name, array), "parameters": {"binary_data_size": array.nbytes}}
                for name, array in zip(names, arrays, strict=True)
            ]
            blobs = b"".join(array.tobytes() for array in arrays)
            return self.answer({"model_name": model.name, "outputs": outputs}, blobs)

        def answer(self, head, data=b"", status=200):
            text = json.dumps(head).encode()
            self.send_response(status)
            self.send_header(LENGTH, str(len(text)))
            self.send_header("Content-Length", str(len(text) + len(data)))
            self.end_headers()
            self.wfile.write(text + data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _over_grpc(model):
    class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):
        def ModelMetadata(self, request, context):  # noqa: N802 - the service's name
            assert request.name == model.name
            return service_pb2.ModelMetadataResponse(name=model.name, inputs=model.metadata())

        def ModelInfer(self, request, context):  # noqa: N802
            assert request.model_name == model.name
            given = {
                one.name: decoded(data, one.datatype, one.shape)
                for one, data in zip(request.inputs, request.raw_input_contents, strict=True)
            }
            names = [one.name for one in request.outputs]
            try:
                arrays = model.run(given, names)
            except ValueError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return service_pb2.ModelInferResponse(
                model_name=model.name,
                outputs=[tensor(name, array) for name, array in zip(names, arrays, strict=True)],
                raw_output_contents=[array.tobytes() for array in arrays],
            )

    server = grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def tensor(name, array):
    """How both protocols describe one."""
    return {"name": name, "datatype": np_to_triton_dtype(array.dtype), "shape": array.shape}
