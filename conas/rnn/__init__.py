"""The networks of text: recurrent cells and language models, plain and fast, and how sub-networks are measured."""
