"""The stages that prepare, train and translate."""
