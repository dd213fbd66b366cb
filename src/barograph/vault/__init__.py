"""Backups, restoring and syncing: keeping what was recorded safe, and bringing it to where it is read.

* ``manifest.py``: what a backup holds; written last, so that half a backup is none.
* ``shelf.py``: where backups lie: a directory, or S3.
* ``backup.py``, ``pruning.py``, ``verifying.py``: making and keeping them.
* ``restore.py``, ``sync.py``: bringing them back, whole or bit by bit.
"""
