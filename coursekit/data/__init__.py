"""Data sets: fetched and verified, read into whole batches of tensors."""
