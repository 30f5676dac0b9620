"""The networks of images: one-shot models and final networks, plain and fast, and how sub-networks are measured."""
