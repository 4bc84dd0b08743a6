"""A bundle's classifier at work: predictions for one's own images, exports for other runtimes, heatmaps."""

FORMATS = {"torchscript": ("model.ts",), "onnx": ("model.onnx",), "openvino": ("model.xml", "model.bin")}
"""Formats of exports and their files below a bundle's ``models/``."""
RUNTIMES = {"onnxruntime": "onnx", "openvino": "openvino", "torchscript": "torchscript", "pytorch": ""}
"""What computes predictions and the export it needs, in the order of preference."""
