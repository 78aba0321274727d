"""Networks in the form of Lua Torch's nn: modules that keep output and gradInput, and whose backward does both halves."""

import pytest
from answered import classes

MODULES = '''
import numpy as np

class Module:
    def __init__(self):
        self.output = self.gradInput = None
    def forward(self, input):
        return self.updateOutput(input)
    def backward(self, input, gradOutput):
        self.updateGradInput(input, gradOutput)
        self.accGradParameters(input, gradOutput)
        return self.gradInput
    def updateOutput(self, input): pass
    def updateGradInput(self, input, gradOutput): pass
    def accGradParameters(self, input, gradOutput): pass
    def zeroGradParameters(self): pass

class Linear(Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = np.random.uniform(-1, 1, (n_out, n_in)) / np.sqrt(n_in)
        self.b = np.zeros(n_out)
        self.gradW, self.gradb = np.zeros_like(self.W), np.zeros_like(self.b)
    def updateOutput(self, input):
        self.output = input @ self.W.T + self.b
        return self.output
    def updateGradInput(self, input, gradOutput):
        self.gradInput = gradOutput @ self.W
        return self.gradInput
    def accGradParameters(self, input, gradOutput):
        self.gradW += gradOutput.T @ input
        self.gradb += gradOutput.sum(axis=0)
    def zeroGradParameters(self):
        self.gradW.fill(0)
        self.gradb.fill(0)
'''
TANH = '''
class Tanh(Module):
    def updateOutput(self, input):
        self.output = np.tanh(input)
        return self.output
    def updateGradInput(self, input, gradOutput):
        self.gradInput = gradOutput * (1 - self.output ** 2)
        return self.gradInput
'''
SEQUENTIAL = '''
class Sequential(Module):
    def __init__(self):
        super().__init__()
        self.modules = []
    def add(self, module):
        self.modules.append(module)
    def updateOutput(self, input):
        self.output = input
        for module in self.modules:
            self.output = module.forward(self.output)
        return self.output
    def backward(self, input, gradOutput):
        grad = gradOutput
        for i in range(len(self.modules) - 1, 0, -1):
            grad = self.modules[i].backward(self.modules[i - 1].output, grad)
        self.gradInput = self.modules[0].backward(input, grad)
        return self.gradInput
    def zeroGradParameters(self):
        for module in self.modules:
            module.zeroGradParameters()
'''


@pytest.mark.parametrize("tanh", [TANH, ""], ids=["own", "lent"])
@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ((), set()),
        (("self.modules[i - 1].output, grad", "self.modules[i].output, grad"), {"at-output"}),
        (("self.gradInput = self.modules[0].backward(input, grad)", "self.gradInput = grad"), {"missing-parameter"}),
        (("grad = self.modules[i].backward", "self.modules[i].backward"), {"identity"}),
        (("for module in self.modules:\n            module.zero", "for module in self.modules[1:]:\n            module.zero"),
         {"never-zeroed"}),
        (("            grad = self.modules[i].backward(", "            self.modules[i].backward(self.modules[i - 1].output, grad)\n"
          "            grad = self.modules[i].backward("), {"double-counts"}),
    ],
    ids=["right", "another input", "first left out", "delta dropped", "first not zeroed", "twice"],
)  # fmt: skip
def test_a_sequential_of_modules_that_keep_their_outputs(tmp_path, tanh, changed, kinds):
    assert not changed or changed[0] in SEQUENTIAL
    (tmp_path / "modules.py").write_text(MODULES + tanh + (SEQUENTIAL.replace(*changed) if changed else SEQUENTIAL))
    found = classes(tmp_path / "modules.py")
    said = {finding["kind"] for finding in found["Sequential"]["findings"]}
    assert found["Sequential"]["checked"]
    assert said == kinds
