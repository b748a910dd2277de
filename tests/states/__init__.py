"""A state machine that does to the queue whatever may happen to it, and asks after every step what must hold.

``clock`` and ``faults`` are what it does to the database, ``records`` what it reads, ``world`` where it starts,
``model`` what clients hold, ``oracle`` what ought to happen, ``rules`` the machine, ``checks`` what holds of a step;
``tests.invariants`` is what holds at any moment. ``make states`` runs it long.
"""
