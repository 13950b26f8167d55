"""What each endpoint means apart from its transport: its model name, limits and meters. Sans-IO."""
