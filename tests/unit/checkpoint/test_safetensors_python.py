"""Exchanges files with the `safetensors` package, both ways."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    from safetensors import safe_open
    from safetensors.numpy import save_file
except ImportError as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

tool = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    ours = os.path.join(folder, "ours.safetensors")
    subprocess.run([tool, "write", ours], check=True)
    with safe_open(ours, framework="numpy") as file:
        assert sorted(file.keys()) == ["empty", "inc.double_conv.0.weight", "rng", "step"], file.keys()
        assert file.metadata() == {"format": "pt", "genseg": '{"name":"L\u00e4sion \\"1\\""}'}, file.metadata()
        weights = file.get_tensor("inc.double_conv.0.weight")
        assert weights.dtype == numpy.float32 and weights.shape == (2, 3)
        assert weights.flatten().tolist() == [0.5, -1.0, 2.0, 3.25, -4.0, numpy.float32(1e-30)]
        assert int(file.get_tensor("step")) == 1234567890123
        assert file.get_tensor("rng").tolist() == [1, 2, 255]
        assert file.get_tensor("empty").shape == (0, 3)

    theirs = os.path.join(folder, "theirs.safetensors")
    tensors = {
        "b": numpy.arange(12, dtype=numpy.float32).reshape(3, 4),
        "a": numpy.array([7, -8], dtype=numpy.int64),
        "c": numpy.arange(5, dtype=numpy.uint8),
    }
    save_file(tensors, theirs, metadata={"purpose": "exchange"})
    lines = subprocess.run([tool, "read", theirs], check=True, capture_output=True, text=True).stdout.splitlines()
    names = {numpy.dtype("float32"): "F32", numpy.dtype("int64"): "I64", numpy.dtype("uint8"): "U8"}
    for name, value in tensors.items():
        total = sum((i + 1) * b for i, b in enumerate(value.tobytes()))
        line = f"{name} {names[value.dtype]} {'x'.join(map(str, value.shape))} {total}"
        assert line in lines, (line, lines)
    assert lines[-1] == "purpose=exchange", lines
print("ok")
