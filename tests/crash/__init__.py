"""The crash harness: worker processes that claim and decide through the real actions, while things break.

``python -m tests.crash`` (``make crash``) breaks them and prints what was seen; ``python -m tests.crash.defects``
(``make defects``) shows that the harness would notice: it runs against versions of the product that are broken on
purpose. What must hold is in ``tests.invariants``.

The process that starts the others never opens a database itself: a connection carried over a fork would share the
locks of SQLite's file. Whoever needs the database does so in a process of its own (``processes.apart``).
"""
