"""``python -m medsynth``."""

from medsynth.cli import main

if __name__ == "__main__":
    main()
