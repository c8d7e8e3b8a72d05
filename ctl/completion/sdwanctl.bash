# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
# bash completion for sdwanctl(1)

__sdwanctl_kinds() {
        command sdwanctl list --no-legend --no-pager 2>/dev/null | awk '{ print $1 }'
}

__sdwanctl_names() {
        command sdwanctl list "$1" --no-legend --no-pager --no-ask-password 2>/dev/null | awk '{ print $1 }'
}

# The options that "add KIND --help" lists, without their dashes.
__sdwanctl_fields() {
        command sdwanctl add "$1" --help --no-legend --no-pager 2>/dev/null | awk '{ print substr($1, 3) }'
}

_sdwanctl() {
        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= kind= word i
        local verbs='status join leave tunnels sync list show add set remove token admin'
        local options='--help --version --quiet --full --no-pager --no-legend --no-ask-password --json --machine
                       --controller --token-file --ca-file'

        COMPREPLY=()
        for ((i = 1; i < COMP_CWORD; i++)); do
                word=${COMP_WORDS[i]}
                case $word in
                -*|=) ;;
                *)
                        if [[ ${COMP_WORDS[i - 1]} == --@(controller|token-file|ca-file|machine|json) ]]; then
                                continue
                        elif [[ -z $verb ]]; then
                                verb=$word
                        elif [[ -z $kind ]]; then
                                kind=$word
                        fi ;;
                esac
        done

        case $prev in
        --json) COMPREPLY=($(compgen -W 'short pretty off' -- "$cur")); return ;;
        --token-file|--ca-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --network) COMPREPLY=($(compgen -W "$(__sdwanctl_names networks)" -- "$cur")); return ;;
        --node) COMPREPLY=($(compgen -W "$(__sdwanctl_names nodes)" -- "$cur")); return ;;
        --role) COMPREPLY=($(compgen -W 'spoke hub' -- "$cur")); return ;;
        --approval) COMPREPLY=($(compgen -W 'auto manual' -- "$cur")); return ;;
        esac

        if [[ $cur == -* ]]; then
                case $verb in
                join) options+=' --prefix --endpoint --name' ;;
                leave) options+=' --force' ;;
                token) options+=' --network --role --uses --expires --allow-prefix --approval --name' ;;
                add) [[ -n $kind ]] && options+=" $(__sdwanctl_fields "$kind" | sed 's/^/--/')" ;;
                esac
                COMPREPLY=($(compgen -W "$options" -- "$cur"))
                return
        fi

        case $verb in
        '') COMPREPLY=($(compgen -W "$verbs" -- "$cur")) ;;
        join) COMPREPLY=($(compgen -f -- "$cur")) ;;
        token|admin) [[ -z $kind ]] && COMPREPLY=($(compgen -W create -- "$cur")) ;;
        list|add) [[ -z $kind ]] && COMPREPLY=($(compgen -W "$(__sdwanctl_kinds)" -- "$cur")) ;;
        show|remove|set)
                if [[ -z $kind ]]; then
                        COMPREPLY=($(compgen -W "$(__sdwanctl_kinds)" -- "$cur"))
                elif [[ $verb == set && $prev != "$kind" ]]; then
                        compopt -o nospace 2>/dev/null
                        COMPREPLY=($(compgen -S = -W "$(__sdwanctl_fields "$kind")" -- "$cur"))
                else
                        COMPREPLY=($(compgen -W "$(__sdwanctl_names "$kind")" -- "$cur"))
                fi ;;
        esac
}

complete -F _sdwanctl sdwanctl
