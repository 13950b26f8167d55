"""What every driver must do, run against each that is registered in `conftest.py`."""
