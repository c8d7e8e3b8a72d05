# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
#
# Runs inside the guest, as the last thing of its boot (run.py writes the unit). The guest's own root has the packages installed by apt;
# the nodes are systemd-nspawn containers over it, each with an upper folder on the guest's disk, so that a reboot of the guest is a power cycle of
# the whole network. Every check is one line "ok NAME" or "not ok NAME: why" on the second serial port; the third is the log, and the journals go as a tar to the second disk.
set -u

NODES="ctl hub1 hub2 branch1 branch2 branch3"
declare -A WAN=([ctl]=10 [hub1]=21 [hub2]=22 [branch1]=101 [branch2]=102 [branch3]=103)
declare -A SITE=([branch1]=1 [branch2]=2 [branch3]=3)
STAGE=/var/lib/vm-stage
RESULTS=/dev/ttyS1
LOGS=/var/lib/vm-logs

ok() { echo "ok $1" > $RESULTS; echo "=== ok $1"; }
fail() { echo "not ok $1: $2" > $RESULTS; echo "=== not ok $1: $2"; }
check() { # NAME COMMAND...
        local name=$1 output
        shift
        if output=$("$@" 2>&1); then ok "$name"; else fail "$name" "$(echo "$output" | tail -n 3 | tr '\n' ' ')"; fi
}
say() { echo "--- $(cut -d' ' -f1 /proc/uptime) $*"; }
until_true() { # SECONDS COMMAND...
        local end=$((SECONDS + $1))
        shift
        until "$@" >/dev/null 2>&1; do
                [ $SECONDS -lt $end ] || { "$@"; return; }
                sleep 0.3
        done
}
finish() { sync; systemctl --no-block poweroff -f; exit 0; }

on() { # NODE COMMAND...: inside a node, with its own systemd and bus
        local node=$1
        shift
        systemd-run --quiet -M "$node" --pipe --wait --collect -p SuccessExitStatus= "$@"
}
in_net() { # NODE COMMAND...: the guest's programs in a node's network
        local node=$1
        shift
        nsenter -t "$(sed -n 's/^LEADER=//p' "/run/systemd/machines/$node")" -n "$@"
}
host() { # BRANCH COMMAND...: on the host behind a branch
        local branch=$1
        shift
        ip netns exec "lan-$branch" "$@"
}

# --- the network of containers ---------------------------------------------------------------------------------------------------

MASK=
for u in systemd-resolved systemd-logind systemd-update-utmp systemd-update-utmp-runlevel systemd-user-sessions console-getty \
        systemd-journal-flush systemd-sysusers systemd-remount-fs ldconfig e2scrub_reap systemd-udevd systemd-networkd \
        systemd-journal-catalog-update systemd-random-seed systemd-tmpfiles-setup-dev dpkg-db-backup vm-lab; do
        MASK="$MASK systemd.mask=$u.service"
done

# CAP_IPC_LOCK: without it nspawn filters mlock() away, which our programs insist on.
start_nodes() {
        local node
        modprobe -a wireguard overlay bridge veth nf_tables
        ip link add wan type bridge
        ip link set wan up
        mkdir -p /run/tree
        mount --bind / /run/tree
        for node in $NODES; do
                local unit_mask= extra= daemons="sdwan-agentd sdwan-monitord"
                [ $node != ctl ] || daemons="sdwan-controld"
                for u in sdwan-agentd.service sdwan-monitord.service sdwan-monitord.socket sdwan-controld.service sdwan-controld.socket; do
                        case " $daemons " in *" ${u%.*} "*) ;; *) unit_mask="$unit_mask systemd.mask=$u" ;; esac
                done
                [ -z "${SITE[$node]:-}" ] || extra="--network-veth-extra=$node-l:lan"
                mkdir -p /nodes/$node/upper/etc /nodes/$node/work /run/nodes/$node
                echo $node > /nodes/$node/upper/etc/hostname
                mount -t overlay -o lowerdir=/run/tree,upperdir=/nodes/$node/upper,workdir=/nodes/$node/work overlay /run/nodes/$node
                systemd-run -q --no-block --unit=node-$node --collect -p Type=notify -p NotifyAccess=all -p KillMode=mixed -p Delegate=yes \
                        -p TimeoutStartSec=300 \
                        systemd-nspawn --quiet --keep-unit -b -D /run/nodes/$node -M $node --hostname=$node --link-journal=no --console=pipe \
                        --notify-ready=yes --capability=CAP_IPC_LOCK --private-network --network-veth-extra=$node-w:wan $extra \
                        $MASK $unit_mask systemd.mask=getty.target systemd.mask=timers.target
        done
        for node in $NODES; do
                until_true 300 systemctl is-active -q node-$node || { fail "$node starts" "not after 300 s"; finish; }
        done
        for node in $NODES; do
                ip link set $node-w master wan up
                in_net $node ip -batch - <<EOF
link set lo up
addr add 198.51.100.${WAN[$node]}/24 dev wan
addr add 2001:db8:1::${WAN[$node]}/64 dev wan nodad
link set wan up
EOF
                [ -n "${SITE[$node]:-}" ] || continue
                local n=${SITE[$node]}
                ip netns add lan-$node
                ip link set $node-l netns lan-$node
                ip netns exec lan-$node ip -batch - <<EOF
link set lo up
addr add 10.$n.0.2/24 dev $node-l
addr add fd00:$n::2/64 dev $node-l nodad
link set $node-l up
route add default via 10.$n.0.1
route add default via fd00:$n::1
EOF
                in_net $node ip -batch - <<EOF
addr add 10.$n.0.1/24 dev lan
addr add fd00:$n::1/64 dev lan nodad
link set lan up
EOF
        done
}

in_sync() { [ "$(busctl --machine="$1" --json=short get-property org.sdwan.Agent1 /org/sdwan/Agent1 org.sdwan.Agent1.Manager State)" = '{"type":"s","data":"in-sync"}' ]; }
reach() { host "$1" ping -n -q -c 1 -W 1 "$2" >/dev/null; }

reach_all() { # LABEL
        local a b label=$1
        for a in 1 2 3; do
                for b in 1 2 3; do
                        [ $a != $b ] || continue
                        check "$label: branch$a reaches branch$b over IPv4" until_true 60 reach branch$a 10.$b.0.2
                        check "$label: branch$a reaches branch$b over IPv6" until_true 60 reach branch$a fd00:$b::2
                done
        done
}

handshakes() { # NODE NUMBER: that many peers with a handshake, as wireguard-tools see it
        [ "$(in_net "$1" wg show all latest-handshakes | awk '$3 > 0' | wc -l)" -ge "$2" ]
}

no_loss() { # LABEL COMMAND...: rounds of 500 pings, one every 10 ms, from branch 1 to branch 3, until the command is over and one round more
        local label=$1 log=/run/ping.log pid received round=0
        shift
        reach branch1 10.3.0.2
        rm -f /run/during.status
        ( sleep 1; "$@" > /run/during.log 2>&1; echo $? > /run/during.status ) &
        pid=$!
        until [ $round -ge 60 ]; do
                local over=no
                [ ! -e /run/during.status ] || over=yes
                round=$((round + 1))
                host branch1 ping -n -q -c 500 -i 0.01 -W 5 10.3.0.2 > $log 2>&1
                received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' $log)
                [ "$received" = 500 ] || break
                [ $over = no ] || break
        done
        wait $pid
        [ "$(cat /run/during.status)" = 0 ] || fail "$label: the command" "$(tail -n 3 /run/during.log | tr '\n' ' ')"
        if [ "$received" != 500 ]; then
                fail "$label loses none of 500 pings" "received $received in round $round"
        elif [ $over = no ]; then
                fail "$label loses none of 500 pings" "the command was not over after $round rounds"
        else
                ok "$label loses none of 500 pings ($round rounds)"
        fi
}

# --- stages ------------------------------------------------------------------------------------------------------------------------

score() { # UNIT MAXIMUM
        local value
        value=$(systemd-analyze security --no-pager "$1" | sed -n 's/.*exposure level for .*: \([0-9.]*\).*/\1/p')
        echo "# exposure of $1: $value" > $RESULTS
        awk -v v="$value" -v m="$2" 'BEGIN { exit !(v != "" && v <= m) }'
}
reloads() { # UNIT: takes a reload without a new process, a stop or a complaint
        local before
        before=$(systemctl show -P MainPID "$1")
        systemctl reload "$1" && sleep 1 && [ "$(systemctl show -P ActiveState,SubState "$1" | tr '\n' ' ')" = "active running " ] &&
                [ "$(systemctl show -P MainPID "$1")" = "$before" ]
}
no_root() { # of the daemons
        local user
        for d in sdwan-controld sdwan-agentd sdwan-monitord; do
                user=$(ps -o user= -C $d | sort -u | tr -d ' ')
                case $user in sdwan-*|sdwan-+) ;; *) echo "$d runs as '$user'"; return 1 ;; esac
        done
}
listeners() { # the guest has the three daemons and no tunnel yet
        local got
        got=$(ss -H -lntu | awk '{print $1, $5}' | sort | tr '\n' ';')
        [ "$got" = "tcp *:9443;tcp 127.0.0.1:9586;" ] || { echo "$got"; return 1; }
}
refused_to_nobody() {
        local output
        output=$(setpriv --reuid=nobody --regid=nogroup --clear-groups busctl call org.sdwan.Control1 /org/sdwan/Control1 \
                org.sdwan.Control1.Manager Call sss GET /api/v1/nodes "" 2>&1) && { echo "answered: $output"; return 1; }
        case $output in *"denied"*|*"authentication required"*|*"Access"*) ;; *) echo "$output"; return 1 ;; esac
}
served_all_along() { # by the log of an upgrade
        ! grep -v served "$1" && [ "$(grep -c served "$1")" -ge 5 ]
}
clean_purge() {
        ! ls -d /var/lib/sdwan /etc/sdwan /run/sdwan* 2>/dev/null &&
                ! find / -xdev \( -path /proc -o -path /sys -o -path /nodes -o -path /share -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \
                        -o -path /debs -o -path /var/log -o -path /tmp \) -prune -o \( -name '*sdwan*' -not -name 'vm-*' \) -print | grep .
}

# The libraries' tests that want a kernel with WireGuard; a test that skips itself here has failed.
stage_units() {
        say "the guest has booted"
        local program
        for program in /share/test-*; do
                [ ! -x "$program" ] || check "$(basename "$program") on this kernel" "$program"
        done
}

stage_install() {
        say "installing with apt"
        rm -f /etc/apt/sources.list.d/*
        echo "deb [trusted=yes] file:/debs ./" > /etc/apt/sources.list
        check "apt-get update sees the packages" apt-get update -qq
        export DEBIAN_FRONTEND=noninteractive
        check "apt installs all packages" apt-get install -y -qq --no-install-recommends sdwan-controller sdwan-agent sdwan-monitor sdwan-ctl
        for d in sdwan-controld sdwan-agentd sdwan-monitord; do
                check "$d is active after the installation" until_true 30 systemctl is-active -q $d
                check "$d needed no restart" [ "$(systemctl show -P NRestarts $d)" = 0 ]
        done
        check "no daemon runs as root" no_root
        check "exposure of controld is at most 1.3" score sdwan-controld 1.3
        check "exposure of monitord is at most 1.3" score sdwan-monitord 1.3
        check "exposure of agentd is at most 1.8" score sdwan-agentd 1.8
        check "only the documented ports listen" listeners
        check "sdwan-monitord takes a reload" reloads sdwan-monitord
        check "an unprivileged user may not read the controller's configuration" refused_to_nobody
        check "nothing in the state folders is open to others" sh -c '! find /var/lib/sdwan/controller /var/lib/sdwan/agent /var/lib/sdwan/monitor -perm /077 | grep .'

        # An upgrade refuses no connection: requests go on while the packages are unpacked and configured again.
        ( while :; do if health; then echo served; else echo "refused with $?"; fi; sleep 0.1; done > /run/upgrade.log 2>&1 ) &
        local pid=$!
        until_true 30 grep -q . /run/upgrade.log
        check "the packages install again over themselves" apt-get install -y -qq --reinstall sdwan-controller
        kill $pid 2>/dev/null; wait $pid 2>/dev/null
        check "an upgrade of the controller refuses no connection" served_all_along /run/upgrade.log

        systemctl stop sdwan-controld.socket sdwan-controld sdwan-agentd sdwan-monitord.socket sdwan-monitord
        rm -rf /var/lib/sdwan/controller /var/lib/sdwan/agent /var/lib/sdwan/monitor
        systemctl mask --runtime -q sdwan-controld.socket sdwan-controld sdwan-agentd sdwan-monitord.socket sdwan-monitord
}
health() { curl -sS -k -f -o /dev/null -m 20 https://127.0.0.1:9443/healthz; }
metrics_have() { # NODE EXPRESSION
        on "$1" curl -sS -f -m 20 http://127.0.0.1:9586/metrics | grep -E "$2"
}

stage_network() {
        say "starting the nodes"
        start_nodes
        say "nodes are up"
        on ctl mkdir -p /etc/sdwan
        on ctl sh -c 'echo "[Controller]
URL=https://198.51.100.10:9443 https://[2001:db8:1::10]:9443" > /etc/sdwan/controld.conf; systemctl restart sdwan-controld'
        check "the network is added" on ctl sdwanctl add network --name corp --prefix4 10.255.0.0/16 --prefix6 fdff::/64 --ranges 10.0.0.0/12,fd00::/24
        on ctl sdwanctl token create --network corp --role hub --uses 2 > /run/token-hub
        on ctl sdwanctl token create --network corp --role spoke --uses 3 --allow-prefix 10.0.0.0/12 --allow-prefix fd00::/24 > /run/token-spoke
        local node n
        for node in hub1 hub2; do
                check "$node joins" on $node sdwanctl join - --endpoint 198.51.100.${WAN[$node]} < /run/token-hub
        done
        for node in branch1 branch2 branch3; do
                n=${SITE[$node]}
                check "$node joins" on $node sdwanctl join - --prefix 10.$n.0.0/24 --prefix fd00:$n::/64 < /run/token-spoke
        done
        for node in hub1 hub2 branch1 branch2 branch3; do check "$node is in sync" until_true 60 in_sync $node; done
        reach_all "first light"
        check "wg(8) shows the lanes' handshakes on hub 1" until_true 60 handshakes hub1 4
        for node in branch1 branch2 branch3; do check "wg(8) shows handshakes with both hubs on $node" until_true 60 handshakes $node 2; done
        check "the interfaces are the kernel's" in_net branch1 sh -c 'ip -d link show sdw1 | grep -qw wireguard'

        no_loss "restarting the agent of branch 1" systemctl -M branch1 restart sdwan-agentd
        no_loss "restarting the agent of hub 1" systemctl -M hub1 restart sdwan-agentd
        no_loss "reinstalling the agent on branch 1" on branch1 apt-get install -y -qq --reinstall sdwan-agent
        no_loss "reinstalling the agent on hub 1" on hub1 apt-get install -y -qq --reinstall sdwan-agent
        check "the agent is in sync after the reinstallation" until_true 60 in_sync branch1
        check "monitord serves tunnels" until_true 30 metrics_have branch1 '^sdwan_tunnel_up\{.*\} 1'

        systemctl -M ctl stop sdwan-controld.socket sdwan-controld
        systemctl -M ctl mask -q sdwan-controld.socket sdwan-controld
        journals first
}
journals() {
        local node
        mkdir -p $LOGS
        for node in $NODES; do journalctl -M $node -b -u 'sdwan-*' --no-pager -o short-monotonic > $LOGS/journal-$1-$node.log 2>&1; done
        tar -C $LOGS -cf /dev/vdb .
}

stage_reboot() {
        say "after the reboot"
        systemctl mask --runtime -q sdwan-controld.socket sdwan-controld sdwan-agentd sdwan-monitord.socket sdwan-monitord
        systemctl stop sdwan-controld.socket sdwan-controld sdwan-agentd sdwan-monitord.socket sdwan-monitord
        start_nodes
        check "the controller is masked" sh -c '! systemctl -M ctl is-active -q sdwan-controld'
        reach_all "after the reboot, without the controller"
        journals reboot
        machinectl terminate branch3 2>/dev/null
        check "leaving by force" on branch2 sdwanctl leave --force
        check "nothing of ours is left in the kernel after leaving" in_net branch2 sh -c '! { ip link; ip route show table all; ip -6 route show table all; ip nexthop; } | grep -E "sdw|proto 157"'

        say "removing and purging"
        for node in $NODES; do machinectl kill -s KILL $node 2>/dev/null; done
        systemctl unmask --runtime -q sdwan-controld.socket sdwan-controld sdwan-agentd sdwan-monitord.socket sdwan-monitord
        systemctl start sdwan-controld.socket sdwan-controld sdwan-agentd sdwan-monitord
        check "apt removes the packages" apt-get remove -y -qq sdwan-controller sdwan-agent sdwan-monitor sdwan-ctl
        check "the state outlives a removal" test -e /var/lib/sdwan/controller
        check "apt purges the packages" apt-get purge -y -qq 'sdwan-*'
        check "a purge leaves nothing" clean_purge
}

case $(cat $STAGE 2>/dev/null) in
"")
        stage_units
        stage_install
        stage_network
        echo reboot > $STAGE
        sync
        say "rebooting"
        systemctl --no-block reboot -f
        ;;
reboot)
        stage_reboot
        echo finished > $STAGE
        echo "end" > $RESULTS
        finish
        ;;
*) finish ;;
esac
