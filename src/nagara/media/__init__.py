"""Files of sound, looked into. PyAV comes with the extra `media` and is imported when needed."""
