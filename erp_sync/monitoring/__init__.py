"""How well it works: what is expected of every flow, who is told when it does not come, figures."""
