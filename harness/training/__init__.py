"""How networks are trained: one loop, the steps, and what is particular to images and to text."""
