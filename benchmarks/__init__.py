"""How fast the package is, beside a plain ``requests`` loop and a plain thread pool: ``make bench``."""
