"""What a bundle says about itself, and whether it is as it was written; nothing of it is executed."""
