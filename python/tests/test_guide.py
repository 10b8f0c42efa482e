"""The programs of the guide's chapter print what is said there."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

import uruk

CHAPTER = Path(uruk.__file__).parent.parent.parent / "docs" / "guide" / "python.md"


class Guide(unittest.TestCase):
    def test_programs_print_what_is_said(self):
        programs = re.findall(r"^```python\n(.*?)^```$", CHAPTER.read_text(), flags=re.M | re.S)
        self.assertLess(4, len(programs))
        for program in programs:
            said = re.findall(r"print\(.*\)  # (.*)$", program, flags=re.M)
            self.assertTrue(said, program)
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
            self.assertEqual((done.stdout.splitlines(), done.stderr), (said, ""), program)


if __name__ == "__main__":
    unittest.main()
