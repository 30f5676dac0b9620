"""Runs in MongoDB: what Sacred's MongoObserver would have written, so that Omniboard shows it, and the runs' files.

A database is a mirror. All of it follows from the runs' folders, under ids that follow from the runs' names, so
uploading a run twice, or from two processes at once, changes nothing. The files go into GridFS as they are: who reads
from the database gets the very bytes of ``record.json`` and ``metrics.jsonl``. Another project's documents are never
touched.
"""
