"""Input that nobody here wrote: orders, clicks and chats of public data sets, as brands would publish them.

The sets are no part of the project; their folder is ``$HUILIU_REAL_DATA``, or
``../shared/data`` beside the repository.  Tests skip without it.
"""
