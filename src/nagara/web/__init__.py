"""The HTTP edge: routes, errors rendered, the catalogue, the account API."""
