"""What generators that train against discriminators share."""
