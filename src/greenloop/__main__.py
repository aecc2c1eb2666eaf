"""``python -m greenloop``."""

from greenloop.cli.main import main

main()
