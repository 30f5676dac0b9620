"""Language models that are not made of searched cells, one module each; `dropping` and `lstm` are what they share."""
