"""What Python users see: models, many responses, searches."""
