"""What makes it happen: Faust apps, engine, settings, CLI."""
