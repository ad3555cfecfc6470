"""An independent second opinion on what the pipeline must say: CONTRACT and RULES read again, recounted in plain SQL.

It shares no code with ``schemas``, ``streams``, ``sinks`` or ``agents``, and
may import nothing of theirs.
"""
