"""What commands share: options, errors in one message, foreign bundles."""
