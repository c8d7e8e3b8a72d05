# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""sdwan-monitord with an agent that is played. Arguments: sdwan-monitord and agent-on-bus."""
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time

from private_bus import PrivateBus

MONITORD, FAKE_AGENT = sys.argv[1:3]


def get(port, target='/metrics', method='GET', host=None):
    c = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    c.request(method, target, headers={'Host': host} if host else {})
    r = c.getresponse()
    body = r.read().decode()
    c.close()
    return r.status, body


def samples(text):
    return dict(line.rsplit(' ', 1) for line in text.splitlines() if not line.startswith('#'))


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wakeups(pid):
    """How often the process has gone to sleep, which is how often it woke."""
    with open('/proc/%d/status' % pid, encoding='utf-8') as f:
        for line in f:
            if line.startswith('voluntary_ctxt_switches'):
                return int(line.split()[1])
    raise AssertionError('no voluntary_ctxt_switches')


def check_metrics(port):
    status, text = get(port)
    s = samples(text)
    good = '{tunnel="sdw1",peer="hub1",interface="sdw1"}'
    bad = '{tunnel="sdw2",peer="h\\"u\\\\b\\n2\033[31m",interface="sdw2"}'
    assert status == 200 and s['sdwan_agent_up'] == '1', text
    assert s['sdwan_tunnel_up' + good] == '1' and s['sdwan_tunnel_up' + bad] == '0', text
    assert s['sdwan_tunnel_last_handshake_seconds' + good] == '1700000000.000000', text
    assert abs(float(s['sdwan_tunnel_handshake_age_seconds' + good]) - (time.time() - 1700000000)) < 60, text
    assert 'sdwan_tunnel_handshake_age_seconds' + bad not in s, text
    assert s['sdwan_tunnel_received_bytes_total' + good] == '1234', text
    assert s['sdwan_tunnel_sent_bytes_total' + good] == '5678', text


def check_configuration(bus, port):
    """Each refuses with the status that the manual page says, and in one line."""
    path = os.path.join(bus.directory, 'bad.conf')
    for text, status in [('[Monitor]\nListen=x\n', 2), ('[Monitor]\nNope=x\n', 2), ('[Monitor]\nListen=127.0.0.1:%d\n' % port, 6)]:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        p = subprocess.run([MONITORD, '--config=' + path], env=bus.environment, capture_output=True, timeout=20, check=False)
        assert p.returncode == status and len(p.stderr.splitlines()) == 1, (text, p)


def check_authorisation(bus):
    """Without polkit nobody but root may refresh, and everybody may read. How often the agent was asked."""
    if os.getuid() != 0 or not shutil.which('setpriv') or not shutil.which('busctl'):
        print('not checked: authorisation needs root, setpriv and busctl')
        return 0
    os.chmod(bus.directory, 0o755)
    busctl = ['busctl', '--address=' + bus.environment['SDWAN_BUS_ADDRESS']]
    where = ['org.sdwan.Monitor1', '/org/sdwan/Monitor1', 'org.sdwan.Monitor1.Manager']
    for user, command, allowed in [('0', ['call', *where, 'Refresh'], True), ('65534', ['call', *where, 'Refresh'], False),
                                   ('65534', ['get-property', *where, 'TunnelCount'], True)]:
        p = subprocess.run(['setpriv', '--reuid=' + user, '--regid=' + user, '--clear-groups', *busctl, *command],
                           capture_output=True, text=True, timeout=30, check=False)
        assert (p.returncode == 0) == allowed, (user, command, p)
        assert allowed or 'Access denied' in p.stderr, p
    return 1


def main():
    with PrivateBus() as bus:
        port = free_port()
        config = os.path.join(bus.directory, 'monitord.conf')
        with open(config, 'w', encoding='utf-8') as f:
            f.write('[Monitor]\nListen=127.0.0.1:%d\nCacheTime=5s\n' % port)
        monitor = bus.start([MONITORD, '--config=' + config])
        bus.wait(lambda: socket.socket().connect_ex(('127.0.0.1', port)) == 0)
        status, text = get(port)
        assert status == 200 and samples(text)['sdwan_agent_up'] == '0', text
        assert 'sdwan_build_info{version="' in text, text
        assert get(port, '/')[0] == 404 and get(port, '/metrics', 'POST')[0] == 405
        # A browser of this machine, led here under another name (DNS rebinding), sees nothing.
        assert get(port, host='evil.example')[0] == 421 and get(port, host='localhost:%d' % port)[0] == 200
        check_configuration(bus, port)

        agent = bus.start([FAKE_AGENT], stdout=subprocess.PIPE, text=True)
        assert agent.stdout.readline() == 'ready\n'
        bus.wait(lambda: samples(get(port)[1])['sdwan_agent_up'] == '1')
        check_metrics(port)
        refreshed = check_authorisation(bus)
        before = wakeups(monitor.pid)
        time.sleep(2)
        assert wakeups(monitor.pid) - before <= 1, 'an idle monitor wakes'

        bus.stop(agent)
        said = agent.stdout.read().split('\n')
        # All scrapes within the cache's time, and root's Refresh, which does not heed it.
        assert said.count('ListTunnels') == 1 + refreshed, said
        bus.wait(lambda: samples(get(port)[1])['sdwan_agent_up'] == '0')
        assert 'sdwan_tunnel_up{' not in get(port)[1]
        assert bus.stop(monitor) == 0


main()
