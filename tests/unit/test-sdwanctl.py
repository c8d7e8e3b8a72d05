# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""sdwanctl: usage errors, exit statuses and output, without a daemon and with an agent that is played. Arguments: sdwanctl and
agent-on-bus."""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys

from private_bus import PrivateBus

SDWANCTL, FAKE_AGENT = sys.argv[1:3]
failures = 0


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip('=')


def token():
    """As lib/crypto/token.h says."""
    payload = {'v': 1, 'u': ['https://ctl.example:9443'], 'c': b64(b'c' * 16), 't': b64(b't' * 8), 's': b64(b's' * 32),
               'ca': [b64(b'p' * 32)], 'rk': b64(b'r' * 32), 'exp': 4000000000}
    body = 'sdwan1.' + b64(json.dumps(payload, separators=(',', ':')).encode())
    return body + '.' + hashlib.blake2b(body.encode(), digest_size=32).hexdigest()[:8]


def run(arguments, environment, stdin=''):
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    p = subprocess.run([SDWANCTL, *arguments], input=data, capture_output=True, env=environment, timeout=60, check=False)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def check(arguments, environment, status, stderr='', stdin='', stdout=None):
    """stderr and stdout are patterns; a failure says exactly one line, a success nothing that the pattern does not have."""
    global failures
    got, out, err = run(arguments, environment, stdin)
    problems = []
    if got != status:
        problems.append('status %d instead of %d' % (got, status))
    if not re.search(stderr, err):
        problems.append('standard error lacks /%s/' % stderr)
    if status != 0 and len(err.splitlines()) != 1:
        problems.append('not one line of error')
    if status != 0 and out:
        problems.append('output in spite of the failure')
    if stdout is not None and not re.search(stdout, out, re.S | re.M):
        problems.append('standard output lacks /%s/' % stdout)
    if re.search('[\x00-\x09\x0b-\x1f\x7f]', out + err):
        problems.append('control characters in the output')
    if isinstance(stdin, str) and len(stdin.strip()) > 20 and stdin.strip() in out + err:
        problems.append('a secret is in the output')
    if problems:
        failures += 1
        print('sdwanctl %s: %s\n  out: %r\n  err: %r' % (' '.join(arguments), ', '.join(problems), out, err))


USAGE = [
    (['nope'], 'no verb "nope"'),
    (['--nope'], 'nope'),
    (['--json=xml', 'status'], '--json='),
    (['--json'], 'json'),
    (['status', 'more'], '^Usage: '),
    (['list', 'nope'], 'no kind "nope"'),
    (['list', 'nodes', 'more'], '^Usage: '),
    (['list', 'nodes', '--force'], '--force means nothing'),
    (['show', 'node'], '^Usage: '),
    (['show', 'node', ''], 'name of a node is missing'),
    (['add'], '^Usage: '),
    (['add', 'network'], 'needs --name='),
    (['add', 'network', '--name', 'corp', '--tags', 'x'], '--tags means nothing'),
    (['add', 'network', '--name', 'corp', '--mtu', 'big'], '^mtu: '),
    (['add', 'network', 'name'], 'not of the form'),
    (['add', 'network', 'nope=1'], 'no field "nope"'),
    (['add', 'node'], 'join with an enrolment token'),
    (['add', 'token'], 'token create'),
    (['add', 'user'], 'admin create'),
    (['set', 'node', 'b1'], '^Usage: '),
    (['set', 'node', 'b1', 'priority+=1'], 'not a list'),
    (['set', 'node', 'b1', 'index=1'], 'controller alone'),
    (['set', 'node', 'b1', 'priority=high'], '^priority: '),
    (['set', 'network', 'corp', 'prefix4=10.0.0.0/8'], 'cannot be changed'),
    (['remove', 'node'], '^Usage: '),
    (['token'], '^Usage: '),
    (['token', 'destroy'], '^Usage: '),
    (['token', 'create'], 'needs --network='),
    (['token', 'create', '--network', 'corp', '--expires', 'never'], '--expires='),
    (['token', 'create', '--network', 'corp', '--uses', 'many'], '^max_uses: '),
    (['admin', 'create'], '^Usage: '),
    (['--controller=https://127.0.0.1:1', 'admin', 'create', 'x'], "on the controller's machine"),
    (['--controller=https://127.0.0.1:1', 'list', 'nodes'], 'token-file'),
    (['--controller=http://127.0.0.1:1', 'list', 'nodes'], 'URL like https'),
    (['--controller=https://127.0.0.1:1', 'tunnels'], 'for the verbs of the controller'),
    (['join', '--prefix=10.0.0.1/8'], 'bits are set'),
    (['join', '--prefix=x'], 'not an address range'),
    (['leave', '--prefix=10.0.0.0/8'], '--prefix means nothing'),
]


def check_usage(env):
    for arguments, message in USAGE:
        check(arguments, env, 2, message)
    check(['--help'], env, 0, stdout='^Verbs:$')
    check(['--version'], env, 0, stdout=r'^sdwan \d')
    check(['list'], env, 0, stdout='^networks ')
    check(['list', '--json=short'], env, 0, stdout=r'^\["networks",')
    check(['add', 'network', '--help'], env, 0, stdout='^--prefix4 ')
    check(['status'], env, 1, 'Failed to connect to the system bus')
    # The order of options and verb does not matter.
    check(['list', '--json', 'short'], env, 0, stdout='networks')


def check_tokens(env):
    good = token()
    flipped = good[:50] + ('A' if good[50] != 'A' else 'B') + good[51:]
    for bad in ['', 'garbage', good[:-1], good[:-10], flipped, 'sdwan2' + good[6:], good + good, 'x' * 5000]:
        check(['join'], env, 7, '^Failed to join: (this is not an enrolment token|the token is )', bad)
    check(['join'], env, 7, 'not an enrolment token', good.encode() + b'\0')
    check(['join'], env, 1, 'Failed to connect to the system bus', good)  # it gets past the checks
    check(['join', '/nonexistent'], env, 1, 'Failed to read the token')


def check_api_token(env, directory):
    path = os.path.join(directory, 'api-token')
    with open(path, 'w', encoding='utf-8') as f:
        f.write('sdwp_abcdefgh_xyz\n')
    arguments = ['--controller=https://127.0.0.1:1', 'list', 'nodes']
    os.chmod(path, 0o644)
    check(arguments + ['--token-file=' + path], env, 1, 'mode must be 0600')
    os.chmod(path, 0o600)
    check(arguments + ['--token-file=' + path], env, 9, 'Connection refused')
    check(arguments, dict(env, SDWAN_API_TOKEN_FILE=path), 9, 'Connection refused')
    check(arguments + ['--token-file=-'], env, 2, 'holds no API token', 'two\nlines')
    check(arguments + ['--token-file=' + path, '--ca-file=/nonexistent'], env, 1, 'Failed to read /nonexistent')


def check_empty_bus(env):
    check([], env, 3, 'Neither an agent nor a controller')
    for verb in ['tunnels', 'leave', 'sync']:
        check([verb], env, 3, 'systemctl enable --now sdwan-agentd')
    check(['join'], env, 3, 'systemctl enable --now sdwan-agentd', token())
    for arguments in [['list', 'nodes'], ['show', 'node', 'b1'], ['add', 'network', '--name=n', '--prefix4=10.0.0.0/16'],
                      ['set', 'node', 'b1', 'site=x'], ['remove', 'node', 'b1'], ['admin', 'create', 'x'],
                      ['token', 'create', '--network=n']]:
        check(arguments, env, 3, 'systemctl enable --now sdwan-controld')


JOIN_ERRORS = [('TokenInvalid', 6), ('TokenMalformed', 7), ('ControllerMismatch', 8), ('Unreachable', 9), ('AlreadyJoined', 1),
               ('PrefixRefused', 1), ('PoolExhausted', 1), ('Busy', 1)]


def check_agent(env):
    check(['status'], env, 0, stdout=r'● b1 - in-sync\n.*Tunnels: 1 of 2 up\n.*Last error: a\\x1bb$')
    _, out, _ = run(['status', '--json=short'], env)
    status = json.loads(out)
    assert status['agent']['state'] == 'in-sync' and status['controller'] is None, out
    assert status['agent']['topics'] == {'node/self': 7}, out
    check(['tunnels'], env, 0, stdout=r'^TUNNEL .*\nsdw1 +hub1 .* up\n.*h"u\\b\\x0a2\\x1b\[31m .* never .* down\n\n2 tunnels listed')
    check(['tunnels', '--no-legend'], env, 0, stdout=r'\Asdw1 [^\n]*\n[^\n]*\n\Z')
    _, out, _ = run(['tunnels', '--json=short'], env)
    tunnels = json.loads(out)
    assert [t['up'] for t in tunnels] == [True, False], out
    assert tunnels[1]['peer'] == 'h"u\\b\n2\033[31m', out
    check(['join'], env, 0, stdout='^Joined', stdin=token() + '\n')
    check(['join', '--name=pending', '--prefix=10.1.0.0/24,10.2.0.0/24', '--prefix', 'fd00::/64'], env, 0,
          stdout='has yet to approve', stdin=token())
    for name, status in JOIN_ERRORS:
        check(['join', '--name=org.sdwan.Agent1.Error.' + name], env, status, '^Failed to join: ', token())
    check(['join', '--name=org.freedesktop.DBus.Error.AccessDenied'], env, 5, '^Failed to join: ', token())
    check(['leave'], env, 0)
    check(['leave', '--force'], env, 0)
    check(['sync'], env, 0)


def main():
    env = dict(os.environ, LC_ALL='C.UTF-8', SDWAN_BUS_ADDRESS='unix:path=/nonexistent/bus')
    for name in ['SDWAN_API_TOKEN_FILE', 'SDWAN_COLORS', 'LANGUAGE']:
        env.pop(name, None)
    check_usage(env)
    check_tokens(env)
    with PrivateBus() as bus:
        check_api_token(env, bus.directory)
        check_empty_bus(bus.environment)
        agent = bus.start([FAKE_AGENT], stdout=subprocess.PIPE, text=True)
        assert agent.stdout.readline() == 'ready\n'
        check_agent(bus.environment)
        bus.stop(agent)
        said = agent.stdout.read().split('\n')
        size = len(token())
        assert 'Join %d bytes 0 prefixes' % (size + 1) in said, said
        assert 'Join %d bytes 3 prefixes' % size in said, said
        assert 'Leave' in said and 'Leave force' in said and 'Sync' in said, said
        agent = bus.start([FAKE_AGENT], stdout=subprocess.PIPE, text=True,
                          env=dict(bus.environment, FAKE_AGENT_STATE='unenrolled'))
        assert agent.stdout.readline() == 'ready\n'
        got, out, _ = run(['status'], bus.environment)
        assert got == 3 and 'in no network' in out, out
    sys.exit(1 if failures else 0)


main()
