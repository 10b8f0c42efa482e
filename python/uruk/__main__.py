"""`python -m uruk`: an executor, with the arguments of `uruk-executor`."""

import sys

from . import Error
from .executor import serve

if __name__ == "__main__":
    try:
        serve(sys.argv[1:])
    except Error as error:
        sys.exit(str(error))
