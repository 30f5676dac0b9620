"""Settings: layers of YAML with sources, checked, and the identity that follows from them."""
