"""Adapters to the database: the driver, its migrations, and one file for each thing we keep."""
