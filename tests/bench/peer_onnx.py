#!/usr/bin/env python3
"""ONNX Runtime's and OpenVINO's sides of the benchmark suite, inference only: a worker of suite.py.

    peer_onnx.py onnxruntime|openvino infer SPATIAL SIZE BATCH THREADS DIR    model.onnx and image.raw of DIR
    peer_onnx.py onnxruntime|openvino first MODEL IMAGE                       from nothing to one prediction

Both run as their documentation says for the least latency with so many threads, in float32.
"""
import pathlib
import sys
import time

import numpy as np


def onnxruntime(path, threads):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {session.get_inputs()[0].name: image})[0]


def openvino(path, threads):
    import openvino as ov
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(path, "CPU", config).create_infer_request()

    def run(image):
        return request.infer([image], share_inputs=True)[0]
    return run


def infer(make, name, spatial, size, batch, threads, folder):
    shape = [batch, 1] + [size] * spatial
    image = np.fromfile(f"{folder}/image.raw", np.float32).reshape(shape)
    run, written = make(f"{folder}/model.onnx", threads), False
    for line in sys.stdin:
        out = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            result = run(image)
            out += [(time.perf_counter() - begin) * 1e3, "nan"]
            if not written:
                np.array(result).tofile(f"{folder}/{name}.raw")
                written = True
        print(*out, flush=True)


def main():
    name, what, *words = sys.argv[1:]
    make = {"onnxruntime": onnxruntime, "openvino": openvino}[name]
    if what == "infer":
        infer(make, name, *map(int, words[:-1]), words[-1])
    else:
        pixels = np.frombuffer(pathlib.Path(words[1]).read_bytes(), np.uint8).reshape(1, 1, 256, 256)
        make(words[0], 2)((pixels / 127.5 - 1).astype(np.float32))


main()
