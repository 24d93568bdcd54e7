"""The event service: a web process that takes change notifications into the ledger's inbox.

It only stores. The sensor of the installation turns the inbox into runs; with the service off, everything
still arrives by polling.
"""
