"""A street of three shops: brands, rules and a seeded generator of what their members do, and the demo that shows it live."""
