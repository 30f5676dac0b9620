"""The data sets of the paper and small ones that need no download, in memory, with augmentation."""

from harness.data.augment import POLICIES, Augmenter, normalise
from harness.data.files import DataError, FileRecord, Provenance
from harness.data.images import ImageData, Images, load_images, search_split, take
from harness.data.registry import DATASETS, ImageSet, TextSet, dataset, dataset_names, is_own
from harness.data.text import TextData, load_text

__all__ = [
    "DATASETS",
    "POLICIES",
    "Augmenter",
    "DataError",
    "FileRecord",
    "ImageData",
    "ImageSet",
    "Images",
    "Provenance",
    "TextData",
    "TextSet",
    "dataset",
    "dataset_names",
    "is_own",
    "load_images",
    "load_text",
    "normalise",
    "search_split",
    "take",
]
