"""The data sets of the paper and small ones that need no download, in memory, with augmentation.

What is known of them without reading them is in `harness.data.registry`, which imports no torch.
"""
