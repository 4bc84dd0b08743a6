"""From any folder to a manifest: layouts recognized, images divided into source and target, labels found."""
