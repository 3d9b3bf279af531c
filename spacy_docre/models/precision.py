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
    RETURNS (bool): True for AVX512-VNNI processors. Others go wrong where sums exceed 16 bits.
    """
    return device.type == "cpu" and torch.cpu._is_vnni_supported()


def autocast(precision: Precision, device: torch.device) -> ContextManager[object]:
    """The context in which matrix products run in the given precision.

    precision (Precision): "float32", "bfloat16", or "auto": where the device has it in hardware,
        int8 for predictions and bfloat16 in training, else float32.
    device (torch.device): The device the products run on.
    RETURNS (ContextManager[object]): A context manager.
    """
    automatic = precision == "auto"
    if automatic and not torch.is_grad_enabled() and has_native_int8(device):
        return Int8Products()
    enabled = precision == "bfloat16" or (automatic and has_native_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
