"""Cells of separable convolutions on CUDA: one program of fused kernels for every sub-network, captured once."""
