"""The record of every delivery and failed try, kept in the asset state store of the delivery's asset."""
