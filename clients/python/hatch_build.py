"""Puts the server's binary into the wheel: FEATURED_BINARY names it. Without it the wheel is the client
alone, for every platform; featured.start() then takes the binary from the PATH."""

import os
import sysconfig
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BinaryHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        binary = os.environ.get("FEATURED_BINARY")
        if self.target_name != "wheel" or not binary:
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][os.path.abspath(binary)] = "featured/bin/featured"
