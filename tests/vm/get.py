# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""get.py URL [REGEX]: exit status 0 when the answer is 200 and has a line that the expression matches."""
import re
import ssl
import sys
import urllib.request

context = ssl._create_unverified_context() if sys.argv[1].startswith("https:") else None
with urllib.request.urlopen(sys.argv[1], timeout=20, context=context) as answer:
    text = answer.read().decode()
if len(sys.argv) > 2 and not re.search(sys.argv[2], text):
    sys.exit("no line matches %s in:\n%s" % (sys.argv[2], text))
