"""The numeric precision of the matrix products: float32, bfloat16 or int8."""

from typing import ContextManager, Literal

import torch

from .int8 import Int8Products

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


def has_native_int8(device: torch.device) -> bool:
    """Tell whether a device multiplies int8 matrices in hardware, and adds up in int32.

    device (torch.device): The device to ask about.
    RETURNS (bool): True for AVX512-VNNI processors. On other processors, sums of more than 16 bits
        are wrong.
    """
    return device.type == "cpu" and torch.cpu._is_vnni_supported()


def autocast(precision: Precision, device: torch.device) -> ContextManager[object]:
    """Make a context in which matrix products run in a given precision.

    precision (Precision): "float32", "bfloat16", or "auto". "auto" takes int8 for predictions and
        bfloat16 for training if the device has them in hardware, else float32.
    device (torch.device): The device the products run on.
    RETURNS (ContextManager[object]): The context.
    """
    automatic = precision == "auto"
    if automatic and not torch.is_grad_enabled() and has_native_int8(device):
        return Int8Products()
    enabled = precision == "bfloat16" or (automatic and has_native_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
