"""The rows on their way: the chosen columns, the user's function, contract and guards."""
