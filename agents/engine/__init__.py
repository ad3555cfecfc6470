"""The engine: Faust at the speed of a plain loop.  ``app.create_app`` makes a stage's app, ``worker.run`` runs it as a process."""
