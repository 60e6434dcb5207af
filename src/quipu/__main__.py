"""``python -m quipu``: the command, where a launcher such as ``accelerate launch -m quipu`` starts it."""

from quipu.cli.main import main

if __name__ == "__main__":
    main()
