"""The numeric precision of the matrix products: float32 or bfloat16."""

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def has_native_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 matrices in hardware.

    Without such instructions bfloat16 is emulated, and slower than float32.

    device (torch.device): The device to ask about.
    RETURNS (bool): True for AMX or AVX512-BF16 processors and for CUDA devices with
        bfloat16 units.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which matrix products run in the given precision.

    precision (Precision): "float32", "bfloat16", or "auto": bfloat16 where the device
        has it in hardware, else float32.
    device (torch.device): The device the products run on.
    RETURNS (torch.autocast): A context manager.
    """
    enabled = precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
