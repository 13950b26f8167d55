"""Every provider's file, asked through a real gateway by callers of every dialect.

The provider is a socket of ours that answers each wire format at its own path; what is held against
it is how the request came there, and what the caller got of the answer or the error.
"""
