"""The HTTP interface: ``/api/v1``, another face on the same actions, for programs that show a token."""
