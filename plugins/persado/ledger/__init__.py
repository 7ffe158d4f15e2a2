"""The record of every delivery and failed try, stored in the asset state store of the delivery's asset."""
