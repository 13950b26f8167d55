"""The account API: for provisioning keys, about their own account and nobody else's."""
