"""Images: found, checked, split by patient, cached, and drawn for training."""
