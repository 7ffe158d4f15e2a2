"""Run the query and read its rows, with one module per way of reading."""
