"""`python -m harness.dashboard`: Omniboard and the services it needs."""
