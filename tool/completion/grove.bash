# What bash completes of grove(1). tests/e2e/test_completion.py holds it to --help.

# Words that begin as the one under the cursor does.
_grove_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

# A program from PATH, or a path.
_grove_programs()
{
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -c -- "$1"; compgen -f -- "$1")
}

# The rest of the line, from the word of that number on, is another program's.
_grove_program_at()
{
    if [ "$1" -lt "$COMP_CWORD" ] && declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif [ "$1" -lt "$COMP_CWORD" ]; then
        compopt -o default
    else
        _grove_programs "${COMP_WORDS[COMP_CWORD]}"
    fi
}

# Where options end: $1 are options that take a word, $2 those that do not.
_grove_options()
{
    local i=2 word
    while [ "$i" -lt "$COMP_CWORD" ]; do
        word=${COMP_WORDS[i]}
        case " $1 " in
            *" $word "*)
                [ $((i + 1)) -eq "$COMP_CWORD" ] && compopt -o default && return
                ((i++))
                ;;
            *)
                case $word in
                    --) _grove_program_at $((i + 1)) && return ;;
                    -*) ;;
                    *) _grove_program_at "$i" && return ;;
                esac
                ;;
        esac
        ((i++))
    done
    case ${COMP_WORDS[COMP_CWORD]} in
        -*) _grove_words "$1 $2 -h --help --" ;;
        *) _grove_program_at "$COMP_CWORD" ;;
    esac
}

# A process is looked at: $1 are options that take a word, $2 those that do not.
_grove_process()
{
    local before=${COMP_WORDS[COMP_CWORD - 1]}
    case " $1 " in
        *" $before "*)
            [ "$before" != --state ] || _grove_words "new ready running parked stranded"
            return
            ;;
    esac
    case ${COMP_WORDS[COMP_CWORD]} in
        -*) _grove_words "$1 $2 -h --help --" ;;
        *) _grove_words "$(cd /proc && echo [0-9]*)" ;;
    esac
}

_grove()
{
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        _grove_words "bt help info ps run stat top trace version -h --help -V --version"
        return
    fi
    case ${COMP_WORDS[1]} in
        bt) _grove_process "--thread" "--native" ;;
        ps) _grove_process "-n --state" "--json" ;;
        run) _grove_options "--cores --stack" "--threads --syscalls --stats --report --children" ;;
        stat) _grove_process "" "" ;;
        top) _grove_process "-n -d" "-b" ;;
        trace) _grove_options "-o --html" "" ;;
    esac
}

complete -F _grove grove
