"""`python -m ecalwindows`."""

from ecalwindows.cli.main import main

main()
