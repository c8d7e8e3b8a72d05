# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Every text of sdwanctl has its translation, and no translation has lost its text."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.environ['SDWAN_SOURCE']


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def main():
    if not shutil.which('xgettext'):
        print('skipped: needs xgettext')
        sys.exit(77)
    with open(ROOT + '/po/POTFILES', encoding='utf-8') as f:
        sources = f.read().split()
    named = sorted('ctl/' + n for n in os.listdir(ROOT + '/ctl')
                   if n.endswith('.c') and '_("' in open(ROOT + '/ctl/' + n, encoding='utf-8').read())
    assert sorted(sources) == named, 'po/POTFILES is not the list of the files with texts: %s' % named
    with open(ROOT + '/po/LINGUAS', encoding='utf-8') as f:
        languages = f.read().split()
    with tempfile.TemporaryDirectory() as directory:
        template, merged = directory + '/sdwan.pot', directory + '/merged.po'
        run('xgettext', '-k_', '-kN_', '-kngettext:1,2', '--from-code=UTF-8', '--no-location', '-o', template, *sources)
        for language in languages:
            run('msgmerge', '-q', '--no-fuzzy-matching', '-o', merged, 'po/%s.po' % language, template)
            missing = run('msgattrib', '--untranslated', '--no-obsolete', '--no-wrap', merged)
            stale = run('msgattrib', '--only-obsolete', '--no-wrap', merged)
            assert not missing and not stale, 'po/%s.po:\n%s%s' % (language, missing, stale)


main()
