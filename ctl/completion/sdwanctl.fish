# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
# fish completion for sdwanctl(1)

set -l verbs status join leave tunnels sync list show add set remove token admin

function __sdwanctl_kinds
    sdwanctl list --no-legend --no-pager 2>/dev/null | string replace -r '^(\S+)\s+(.*)$' '$1\t$2'
end

function __sdwanctl_names
    sdwanctl list $argv[1] --no-legend --no-pager --no-ask-password 2>/dev/null | string replace -r '^(\S+).*$' '$1'
end

# What stands on the command line behind the verb, without options.
function __sdwanctl_argument
    set -l words (commandline -opc | string match -v -- '-*')
    test (count $words) -ge $argv[1]; and echo $words[$argv[1]]
end

function __sdwanctl_fields
    sdwanctl add (__sdwanctl_argument 3) --help --no-legend --no-pager 2>/dev/null | string replace -r '^--(\S+).*$' '$1'
end

complete -c sdwanctl -f
complete -c sdwanctl -s h -l help -d 'Show help'
complete -c sdwanctl -l version -d 'Show the version'
complete -c sdwanctl -s q -l quiet -d 'Say nothing'
complete -c sdwanctl -s l -l full -d 'Do not cut columns'
complete -c sdwanctl -l no-pager -d 'Do not use a pager'
complete -c sdwanctl -l no-legend -d 'Show neither header nor count'
complete -c sdwanctl -l no-ask-password -d 'Do not ask for passwords'
complete -c sdwanctl -l json -x -a 'short pretty off' -d 'Show JSON'
complete -c sdwanctl -s j -d 'Show JSON'
complete -c sdwanctl -s M -l machine -x -d 'Talk to a local container'
complete -c sdwanctl -l controller -x -d 'Talk to a controller over HTTPS'
complete -c sdwanctl -l token-file -r -F -d 'API token'
complete -c sdwanctl -l ca-file -r -F -d 'CA of the controller'

complete -c sdwanctl -n "not __fish_seen_subcommand_from $verbs" -a "$verbs"
complete -c sdwanctl -n '__fish_seen_subcommand_from join' -F
complete -c sdwanctl -n '__fish_seen_subcommand_from join' -l prefix -x -d 'Network behind this node'
complete -c sdwanctl -n '__fish_seen_subcommand_from join' -l endpoint -x -d 'Public address'
complete -c sdwanctl -n '__fish_seen_subcommand_from join token' -l name -x -d Name
complete -c sdwanctl -n '__fish_seen_subcommand_from leave' -l force -d 'Also when the controller cannot be told'
complete -c sdwanctl -n '__fish_seen_subcommand_from token admin; and test (count (commandline -opc)) -eq 2' -a create
complete -c sdwanctl -n '__fish_seen_subcommand_from token' -l network -x -a '(__sdwanctl_names networks)' -d Network
complete -c sdwanctl -n '__fish_seen_subcommand_from token' -l role -x -a 'spoke hub' -d Role
complete -c sdwanctl -n '__fish_seen_subcommand_from token' -l uses -x -d 'How many nodes'
complete -c sdwanctl -n '__fish_seen_subcommand_from token' -l expires -x -d 'Time span'
complete -c sdwanctl -n '__fish_seen_subcommand_from token' -l allow-prefix -x -d Range
complete -c sdwanctl -n '__fish_seen_subcommand_from token' -l approval -x -a 'auto manual' -d Approval
complete -c sdwanctl -n '__fish_seen_subcommand_from list show add set remove; and test (count (commandline -opc)) -eq 2' \
    -a '(__sdwanctl_kinds)'
complete -c sdwanctl -n '__fish_seen_subcommand_from show set remove; and test (count (commandline -opc)) -ge 3' \
    -a '(__sdwanctl_names (__sdwanctl_argument 3))'
complete -c sdwanctl -n '__fish_seen_subcommand_from set; and test (count (commandline -opc)) -ge 4' \
    -a '(__sdwanctl_fields)='
