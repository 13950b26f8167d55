"""What each exchange becomes in each other dialect, kept as files that are read by eye.

A folder of a dialect has a folder for each case. What was put there by hand, in the dialect's own
wire format, is `request.json` (a caller asks) or an answer of a provider: `answer.json`,
`answer.sse`, or `answer.jsonl` for Converse, whose binary stream no one can read. All other files
are expected, and written anew by `make golden`:

- `asked_<dialect>.json`: the caller's request as a provider of that dialect is sent it;
- `told_<dialect>.json` and `.sse`: the provider's answer as a caller of that dialect gets it, whole
  and streamed;
- `replayed_<dialect>.json`: the request after that answer, which that caller sends with all that it
  was told and the results of its tools, as the same provider is sent it.

What was dropped stands beside what was sent. A change of these files is to be reviewed, not
believed.
"""
