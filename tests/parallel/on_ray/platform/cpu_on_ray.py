"""A plugin of vLLM's: its CPU platform has no name for its devices in Ray, and vLLM refuses Ray without one."""

from vllm.platforms.cpu import CpuPlatform


def platform() -> str:
    """Return vLLM's own CPU platform, whose devices are then those that `ray start --num-gpus` counts."""
    CpuPlatform.ray_device_key = "GPU"
    return "vllm.platforms.cpu.CpuPlatform"
