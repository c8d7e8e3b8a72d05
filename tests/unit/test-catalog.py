# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Every MESSAGE_ID of the daemons has an entry in both catalogs, and none stands there that no daemon has."""
import glob
import os
import re
import sys

source = os.environ["SDWAN_SOURCE"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


ids = set()
for header in glob.glob(os.path.join(source, "daemons/*/messages.h")):
    ids |= set(re.findall(r'"([0-9a-f]{32})"', read(header)))
failed = not ids
for name in ("sdwan.catalog", "sdwan.zh_CN.catalog"):
    entries = re.findall(r"^-- ([0-9a-f]{32})$", read(os.path.join(source, "units", name)), re.M)
    for what, problem in ((ids - set(entries), "has no entry"), (set(entries) - ids, "is no daemon's"),
                          ({i for i in entries if entries.count(i) > 1}, "stands there twice")):
        for message_id in sorted(what):
            print("%s: %s %s" % (name, message_id, problem))
            failed = True
sys.exit(1 if failed else 0)
