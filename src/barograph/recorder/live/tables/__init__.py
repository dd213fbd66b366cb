"""The tables behind the tape: on a thread of the recorder, or in a process of their own.

* ``behind.py``: what the recorder sees of either; what work there is to do.
* ``thread.py``: the follower and the housekeeping, on threads.
* ``process.py``: the same in a child process, from the recorder's side.
* ``child.py``: that process. ``shared.py`` and ``messages.py`` are between the two.

A process of their own has its own interpreter, with its own lock: rows can be made on the second core
while frames are taken on the first, and whatever befalls it, recording goes on.
"""
