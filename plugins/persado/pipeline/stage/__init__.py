"""The stage area: the files between two tasks, and the records that describe them."""
