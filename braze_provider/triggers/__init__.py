"""What a deferred task leaves to the triggerer. Nothing here ever sends."""
