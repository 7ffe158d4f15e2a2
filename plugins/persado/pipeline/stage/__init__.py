"""Stage: the files and records that pass between the stages of a delivery."""
