"""Real gateways, a real database and real sockets, while processes are killed: is the money right?

Two hundred clients share one account whose balance runs out again and again. Some leave, some
providers fail, and every few seconds a process gets SIGKILL and is started anew. What each client
received is then held against what the ledger charged, request by request.

    plan.py            what a request is to meet, drawn from a seed, and what it has to cost
    provider.py        the provider, which does what the plan says
    clients.py         the clients, and what each received
    cluster.py         the gateway processes, and their deaths
    reconciliation.py  what was received against what was charged
    run.py             all of it together; `python -m tests.simulation.real` runs it for longer

The seed decides what is asked for and who is killed when; the timing is the machine's.
"""
