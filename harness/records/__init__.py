"""What a run leaves on disk: folders, records, metrics, checkpoints, heartbeats."""
