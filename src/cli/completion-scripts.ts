/**
 * What each shell must be told once. The words themselves come from `metactl completion --words`, so that the verbs,
 * options, apps and daemons are those that there are. They are taken as they are: nothing in them is ever expanded.
 */
export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# eval "$(metactl completion bash)", or save this as /etc/bash_completion.d/metactl
_metactl() {
  mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" completion --words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _metactl metactl
`,
  zsh: `#compdef metactl
# eval "$(metactl completion zsh)", or save this as _metactl in a directory of $fpath
_metactl() {
  local -a found
  found=("\${(@f)$("\${words[1]}" completion --words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n $found[1] ]] && compadd -a found || _files
}
compdef _metactl metactl
`,
  fish: `# metactl completion fish | source, or save this as ~/.config/fish/completions/metactl.fish
function __metactl_words
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    test -n "$current"; or set current ''
    command $before[1] completion --words -- $before[2..-1] $current 2>/dev/null
end
complete -c metactl -n 'not contains -- -- (commandline -opc)' -f -a '(__metactl_words)'
`,
};
