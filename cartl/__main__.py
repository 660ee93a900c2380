"""`python -m cartl`: the command."""

from cartl.main import main

if __name__ == "__main__":
    main()
