"""The vocabulary: frozen values, integer money, the table of errors. It imports nothing of ours."""
