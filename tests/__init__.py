"""Tests: fakes instead of mocks, real sockets and processes where the claim is about them."""
