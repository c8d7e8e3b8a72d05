# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""A bus daemon of our own in a temporary folder, and processes on it, for the tests of programs."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_type="signal"/><allow send_destination="*"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"""


def skip(reason):
    print('skipped: ' + reason)
    sys.exit(77)


class PrivateBus:
    def __init__(self):
        if not shutil.which('dbus-daemon'):
            skip('needs dbus-daemon')
        self.directory = tempfile.mkdtemp(prefix='sdwan-test-')
        self.processes = []
        socket = os.path.join(self.directory, 'bus')
        config = os.path.join(self.directory, 'bus.conf')
        with open(config, 'w', encoding='utf-8') as f:
            f.write(CONFIG % socket)
        self.environment = dict(os.environ, SDWAN_BUS_ADDRESS='unix:path=' + socket, LC_ALL='C.UTF-8')
        self.environment.pop('NOTIFY_SOCKET', None)
        self.start(['dbus-daemon', '--config-file=' + config, '--nofork', '--nosyslog'], stderr=subprocess.DEVNULL)
        self.wait(lambda: os.path.exists(socket))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in reversed(self.processes):
            self.stop(p)
        shutil.rmtree(self.directory)

    def start(self, command, **arguments):
        arguments.setdefault('env', getattr(self, 'environment', None))
        p = subprocess.Popen(command, **arguments)
        self.processes.append(p)
        return p

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    @staticmethod
    def wait(condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, 'timed out'
            time.sleep(0.02)
