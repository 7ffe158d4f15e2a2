"""From query result to rows to send: the user's function, the chosen columns, contract and guards."""
