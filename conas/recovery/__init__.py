"""Sparse polynomials over bits: recovered from measurements, evaluated, minimised. Needs no torch."""
