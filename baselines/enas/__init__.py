"""ENAS: a controller that learns which cells to draw, with the one-shot model or after it."""
