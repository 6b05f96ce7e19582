"""A bundle's trained network as one file that runs without this project: TorchScript, ONNX, TensorRT."""
