"""Reading the configuration: a TOML file, then the environment, then the command line.

The outcome is one frozen `Config`, or a `ConfigError` that lists everything that is wrong. Nothing
here reaches the network, and no message holds a secret.
"""
