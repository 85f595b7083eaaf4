# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# bash completion for tessera: commands, options, and the channels and realms that are there now.

# Ask the daemon, quietly; of lists that go to a pipe, the columns are realm and name.
_tessera_channels()
{
	"${COMP_WORDS[0]}" "${globals[@]}" channels 2>/dev/null |
		while IFS=$'\t' read -r realm name _; do
			[ "$realm/$name" = realm/name ] || printf '%s/%s\n' "$realm" "$name"
		done
}

# Of participants, the ids.
_tessera_clients()
{
	"${COMP_WORDS[0]}" "${globals[@]}" clients 2>/dev/null |
		while IFS=$'\t' read -r _ id _; do
			case $id in id | 0 | "") ;; *) printf '%s\n' "$id" ;; esac
		done
}

_tessera_realms()
{
	"${COMP_WORDS[0]}" "${globals[@]}" --json status 2>/dev/null |
		sed -n 's/^ *"realm": "\([^"]*\)".*/\1/p'
}

# Options of a command, as its own help tells them.
_tessera_options()
{
	"${COMP_WORDS[0]}" ${1:+"$1"} --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*=?' | sort -u
}

_tessera()
{
	local commands="demo doctor status stat hz bw delay metrics events why top realms clients channels regions quota channel send recv pub sub ping tickets dump ledger reload
		evict report trace upgrade stop help"
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command="" word index
	local -a globals=() words=()

	# "--socket=PATH" comes as three words; so does "demo/files" as one.
	if [ "$current" = "=" ]; then
		current=""
	elif [ "$previous" = "=" ]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((index = 1; index < COMP_CWORD; index++)); do
		word=${COMP_WORDS[index]}
		case $word in
		--socket)
			[ "${COMP_WORDS[index + 1]}" != "=" ] || index=$((index + 1))
			index=$((index + 1))
			globals+=(--socket "${COMP_WORDS[index]}")
			;;
		-*) [ "${COMP_WORDS[index + 1]}" != "=" ] || index=$((index + 2)) ;;
		*) words+=("$word") ;;
		esac
	done
	command=${words[0]:-}
	case $previous in
	--from)
		mapfile -t COMPREPLY < <(compgen -W "oldest newest next" -- "$current")
		return
		;;
	--kind | -k)
		if [ "$command" = events ]; then
			mapfile -t COMPREPLY < <(compgen -W "start stop realm condemn attach detach kill death repair channel refusal drop reload evict keep upgrade" -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W "buffered rendezvous unlimited conflated broadcast" -- "$current")
		fi
		return
		;;
	--on-full)
		mapfile -t COMPREPLY < <(compgen -W "wait drop-newest drop-oldest evict lap" -- "$current")
		return
		;;
	--on-death)
		mapfile -t COMPREPLY < <(compgen -W "drop requeue" -- "$current")
		return
		;;
	--bytes)
		mapfile -t COMPREPLY < <(compgen -W "text hex base64 none" -- "$current")
		return
		;;
	--color)
		mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$current")
		return
		;;
	--realm)
		mapfile -t COMPREPLY < <(compgen -W "$(_tessera_realms)" -- "$current")
		return
		;;
	--socket | --input | --file | -i | --save | --segment | --output)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_tessera_options "$command")" -- "$current")
		[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
		return
	fi
	case $command in
	"") mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current") ;;
	tickets) mapfile -t COMPREPLY < <(compgen -W "$(_tessera_realms)" -- "$current") ;;
	evict) mapfile -t COMPREPLY < <(compgen -W "$(_tessera_clients)" -- "$current") ;;
	upgrade)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	dump) mapfile -t COMPREPLY < <(compgen -W "$(_tessera_realms) $(_tessera_channels)" -- "$current") ;;
	send | recv | pub | sub | stat | hz | bw | delay | why) mapfile -t COMPREPLY < <(compgen -W "$(_tessera_channels)" -- "$current") ;;
	trace)
		if [ ${#words[@]} -eq 1 ]; then
			mapfile -t COMPREPLY < <(compgen -W "record keep show export" -- "$current")
		else
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$current")
		fi
		;;
	channel)
		if [ ${#words[@]} -eq 1 ]; then
			mapfile -t COMPREPLY < <(compgen -W "create rm" -- "$current")
		elif [ ${#words[@]} -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_tessera_channels)" -- "$current")
		fi
		;;
	esac
}

complete -F _tessera tessera

_tessera_exporter()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}

	case $previous in
	--listen | --socket)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	--realm | --channel) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$(_tessera_options)" -- "$current")
		[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
		;;
	esac
}

complete -F _tessera_exporter tessera-exporter
