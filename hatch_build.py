"""What a wheel gets beside the files of the package: the kernels' machine code, if the one who builds asks for it."""

import os
import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MachineCode(BuildHookInterface):
    """With MODNET_MACHINE_CODE=build, as `make build` sets it, kernels are compiled into the wheel, which takes minutes.

    The environment of the build must have all that modnet needs to run.
    """

    def initialize(self, version, build_data):
        if version == "editable" or os.environ.get("MODNET_MACHINE_CODE") != "build":
            return
        folder = Path(self.directory) / "machine_code"
        subprocess.run([sys.executable, Path(self.root) / ".ci" / "machine_code.py", folder], check=True)
        build_data["force_include"].update({str(file): f"modnet/_machine/{file.name}" for file in sorted(folder.iterdir())})
