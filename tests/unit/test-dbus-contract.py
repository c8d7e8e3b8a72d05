# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Compares what each daemon serves (its hidden --bus-introspect) with the contract in dbus/. Arguments: the folder dbus/, and
then pairs of a contract's name and its daemon."""
import subprocess
import sys
import xml.etree.ElementTree as ET

SIGNALLED = 'org.freedesktop.DBus.Property.EmitsChangedSignal'


def annotations(element):
    found = {a.get('name'): a.get('value') for a in element.findall('annotation')}
    if element.tag == 'property':
        found.setdefault(SIGNALLED, 'true')
    return found


def describe(interface):
    """The interface as lines that can be compared: order of members and white space do not count, order of arguments does."""
    lines = []
    for member in interface:
        if member.tag == 'annotation':
            continue
        default = 'in' if member.tag == 'method' else 'out'
        arguments = ['%s %s %s' % (a.get('direction', default), a.get('type'), a.get('name')) for a in member.findall('arg')]
        details = [member.get('type', ''), member.get('access', '')] if member.tag == 'property' else []
        lines.append(' | '.join([member.tag, member.get('name'), *details, ', '.join(arguments),
                                 str(sorted(annotations(member).items()))]))
    return sorted(lines)


def main():
    folder, pairs = sys.argv[1], list(zip(sys.argv[2::2], sys.argv[3::2]))
    failed = False
    assert pairs
    for contract, daemon in pairs:
        interfaces = ET.parse('%s/%s.xml' % (folder, contract)).getroot().findall('interface')
        listed = subprocess.run([daemon, '--bus-introspect', 'list'], stdout=subprocess.PIPE, check=True, text=True).stdout
        names = {line.split()[-1] for line in listed.splitlines()}
        expected_names = {i.get('name') for i in interfaces}
        if names != expected_names:
            print('%s: the contract has %s, the daemon %s' % (contract, sorted(expected_names), sorted(names)))
            failed = True
        for interface in interfaces:
            if interface.get('name') not in names:
                continue
            served = subprocess.run([daemon, '--bus-introspect', interface.get('name')], stdout=subprocess.PIPE, check=True).stdout
            expected, actual = describe(interface), describe(ET.fromstring(served).find('interface'))
            for line in sorted(set(expected) ^ set(actual)):
                print('%s %s: %s' % (interface.get('name'), 'lacks' if line in expected else 'has not in its contract', line))
                failed = True
    sys.exit(1 if failed else 0)


main()
