#compdef sdwanctl
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors

_sdwanctl_kinds() {
        local -a kinds
        kinds=(${(f)"$(_call_program kinds sdwanctl list --no-legend --no-pager 2>/dev/null | awk '{ print $1 }')"})
        _describe -t kinds kind kinds
}

_sdwanctl_names() {
        local -a names
        names=(${(f)"$(_call_program names sdwanctl list ${(q)1} --no-legend --no-pager --no-ask-password 2>/dev/null | awk '{ print $1 }')"})
        compadd -a names
}

_sdwanctl_fields() {
        local -a fields
        fields=(${(f)"$(_call_program fields sdwanctl add ${(q)1} --help --no-legend --no-pager 2>/dev/null | awk '{ print substr($1, 3) }')"})
        compadd -S = -a fields
}

_sdwanctl() {
        local curcontext=$curcontext state line
        local -a verbs
        verbs=(
                'status:show the state of this machine'
                'join:join a network with an enrolment token'
                'leave:leave the network'
                'tunnels:list the tunnels of this machine'
                'sync:repair what differs from the desired state'
                'list:list the kinds, or the objects of one'
                'show:show objects with all their fields'
                'add:add an object'
                'set:change fields'
                'remove:remove objects'
                'token:make an enrolment token'
                'admin:make an administrator for the API'
        )
        _arguments -C -A '-*' \
                '(- *)'{-h,--help}'[show help]' \
                '(- *)--version[show the version]' \
                '(-q --quiet)'{-q,--quiet}'[say nothing]' \
                '(-l --full)'{-l,--full}'[do not cut columns]' \
                '--no-pager[do not use a pager]' \
                '--no-legend[show neither header nor count]' \
                '--no-ask-password[do not ask for passwords]' \
                '--json=[show JSON]:mode:(short pretty off)' \
                '-j[show JSON]' \
                '(-M --machine)'{-M+,--machine=}'[talk to a local container]:container:' \
                '--controller=[talk to a controller over HTTPS]:URL:' \
                '--token-file=[API token]:file:_files' \
                '--ca-file=[CA of the controller]:file:_files' \
                '1:verb:->verb' \
                '*::argument:->argument'
        case $state in
        verb) _describe -t verbs verb verbs ;;
        argument)
                case $words[1] in
                join) _arguments '*--prefix=[network behind this node]:prefix:' '--endpoint=[public address]:address:' \
                                 '--name=[name of the node]:name:' '1:token file:_files' ;;
                leave) _arguments '--force[also when the controller cannot be told]' ;;
                token) _arguments '1:command:(create)' '--network=[network]:network:{_sdwanctl_names networks}' \
                                  '--role=[role]:role:(spoke hub)' '--uses=[how many nodes]:number:' \
                                  '--expires=[time span]:span:' '*--allow-prefix=[range]:prefix:' \
                                  '--approval=[approval]:approval:(auto manual)' '--name=[name]:name:' ;;
                admin) _arguments '1:command:(create)' '2:name:' ;;
                list) _arguments '1:kind:_sdwanctl_kinds' ;;
                add) _arguments '1:kind:_sdwanctl_kinds' '*:field:{_sdwanctl_fields $words[2]}' ;;
                show|remove) _arguments '1:kind:_sdwanctl_kinds' '*:name:{_sdwanctl_names $words[2]}' ;;
                set) _arguments '1:kind:_sdwanctl_kinds' '2:name:{_sdwanctl_names $words[2]}' \
                                '*:field:{_sdwanctl_fields $words[2]}' ;;
                esac ;;
        esac
}

_sdwanctl "$@"
