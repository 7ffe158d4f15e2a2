"""Extract: run the query and read its rows, with one module for each way of reading."""
