#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads a model's file as somebody would who knows the format of safetensors and nothing of this
library: test_safetensors.py WRITER, a program that writes a 2-2-2 net into the file that it is given
and prints its parameters as hexadecimal floats.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

SIZES = {"F64": (8, "d"), "F32": (4, "f")}
SHAPES = {  # in the order of the parameters
    "layers.0.weight": [2, 2],
    "layers.0.bias": [2],
    "layers.1.weight": [2, 2],
    "layers.1.bias": [2],
}


def read(path):
    """Metadata and tensors {name: (dtype, shape, numbers)}; every byte belongs to one of them."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header_bytes = file.read(length)
        data = file.read()
    assert length <= 100_000_000 and (8 + length) % 8 == 0
    assert header_bytes.startswith(b"{") and header_bytes.rstrip(b" ").endswith(b"}")

    def unique(pairs):
        assert len(dict(pairs)) == len(pairs), "a key twice"
        return dict(pairs)

    header = json.loads(header_bytes.decode("utf-8"), object_pairs_hook=unique)
    metadata = header.pop("__metadata__")
    assert all(type(value) is str for value in metadata.values())
    tensors, end = {}, 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert set(tensor) == {"dtype", "shape", "data_offsets"}
        begin, tensor_end = tensor["data_offsets"]
        assert begin == end, "a hole or an overlap"
        end = tensor_end
        size, letter = SIZES[tensor["dtype"]]
        count = 1
        for n in tensor["shape"]:
            count *= n
        assert end - begin == count * size
        numbers = struct.unpack(f"<{count}{letter}", data[begin:end])
        tensors[name] = tensor["dtype"], tensor["shape"], numbers
    assert end == len(data)
    return metadata, tensors


def main():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.safetensors")
        printed = subprocess.run([sys.argv[1], path], stdout=subprocess.PIPE, text=True)
        if printed.returncode != 0:
            print("the writer failed")
            return 1
        metadata, tensors = read(path)
    parameters = [float.fromhex(line) for line in printed.stdout.split()]
    assert list(tensors) == list(SHAPES), list(tensors)
    assert [shape for _, shape, _ in tensors.values()] == list(SHAPES.values())
    assert len({dtype for dtype, _, _ in tensors.values()}) == 1
    assert [x for _, _, numbers in tensors.values() for x in numbers] == parameters

    assert metadata["wengert"] == "1"
    assert metadata["sizes"] == "2 2 2" and metadata["activation"] == "tanh"
    assert json.loads(metadata["classes"]) == ["0", "1"]
    assert json.loads(metadata["features"]) == ["x0", "x1"]
    assert all(float(x) > 0 for x in metadata["deviation"].split(" "))
    assert len(metadata["mean"].split(" ")) == 2
    assert metadata["optimizer"] == "adam" and float(metadata["optimizer.rate"]) == 0.01
    assert len(metadata["optimizer.state"].split(" ")) == 2 * len(parameters)
    print(f"{len(parameters)} parameters in {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
