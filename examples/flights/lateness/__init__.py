"""Will a flight arrive more than 15 minutes late? A model from its features to its predictions, on the
flights that left New York in 2013. `python -m lateness` runs it all; README.md tells the story.

Instants are whole seconds since 1970, UTC, throughout."""
