"""How long a run takes on this machine, before it starts."""
