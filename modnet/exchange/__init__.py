"""Exchange with other libraries: PyTorch's and Keras's weights, safetensors, ONNX.

    to_pytorch, from_pytorch                a state_dict, as numpy arrays in PyTorch's layouts
    save_safetensors, load_safetensors      the same in a file; needs safetensors
    to_keras, from_keras                    the list of arrays that Keras's get_weights gives and set_weights takes
    to_onnx                                 the network itself, for onnxruntime and others; needs onnx

None of them needs the library it is for, except for the two files: ``pip install modnet[exchange]``.
"""

from modnet.exchange.onnx import to_onnx
from modnet.exchange.weights import from_keras, from_pytorch, load_safetensors, save_safetensors, to_keras, to_pytorch

__all__ = ["from_keras", "from_pytorch", "load_safetensors", "save_safetensors", "to_keras", "to_onnx", "to_pytorch"]
