import type { Command } from "commander";
import { Argument } from "commander";
import { completeWords } from "./complete-words.ts";
import { connect } from "./gateway.ts";
import { askKnown } from "./known-words.ts";
import { cutTo, toPlainLine } from "./plain-text.ts";
import type { Shell } from "./shell.ts";

/** As much of what a word is about as stands beside it, in columns. */
const aboutWidth = 60;

/**
 * What each shell asks `viable complete` with: the words up to the cursor, the last of them the one that is completed. The first line of the
 * answer says what follows: `words`, each with a tab and what it is about, or that `files` or `folders` may stand there. Nothing of
 * the answer is looked at by the shell as anything but text.
 */
const scripts = {
  bash: `# viable completion bash: put into ~/.bashrc as   source <(viable completion bash)
_viable() {
  local kind word about
  COMPREPLY=()
  {
    IFS= read -r kind
    while IFS=$'\\t' read -r word about; do COMPREPLY+=("$word"); done
  } < <("$1" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
  case $kind in
    files) compopt -o default 2>/dev/null ;;
    folders) compopt -o dirnames 2>/dev/null ;;
  esac
}
complete -F _viable viable
`,
  zsh: `#compdef viable
# viable completion zsh: put into ~/.zshrc, behind compinit, as   source <(viable completion zsh)
_viable() {
  local -a lines described
  local line
  lines=("\${(@f)$("\${words[1]}" complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  case $lines[1] in
    files) _files; return ;;
    folders) _files -/; return ;;
  esac
  for line in "\${(@)lines[2,-1]}"; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -V viable described
}
if [ "\${funcstack[1]}" = _viable ]; then _viable "$@"; else compdef _viable viable; fi
`,
  fish: `# viable completion fish: write it to ~/.config/fish/completions/viable.fish
function __viable_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null </dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case folders
            __fish_complete_directories "$current"
        case words
            string join \\n -- $lines[2..-1]
    end
end
complete -c viable -f -a '(__viable_complete)'
`,
} as const;

/** `viable completion`, and what its scripts ask at each press of the key. */
export function addCompletion(program: Command, shell: Shell): void {
  program
    .command("completion")
    .description("print what lets a shell complete verbs, options, and what a running system knows")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(scripts)))
    .addHelpText(
      "after",
      "\nWhat the system knows is asked of it at each press of the key, for half a second at most.\n\nExamples:\n  $ source <(viable completion bash)\n  $ viable completion fish > ~/.config/fish/completions/viable.fish",
    )
    .action((name: keyof typeof scripts) => shell.out.write(scripts[name]));

  program
    .command("complete", { hidden: true })
    .description("what the last of the words could become, for the scripts of `viable completion`")
    .argument("[words...]")
    .passThroughOptions()
    .addHelpText("after", "\nExample:\n  $ viable complete -- executions sh")
    .action(async (words: string[]) => {
      const known = askKnown(shell.runtime.clock, (options) => connect(shell, options));
      const found = await completeWords(program, words, known);
      const lines = found.kind === "words" ? found.candidates : [];
      const text = lines.map(({ word, about = "" }) => `${word}\t${cutTo(toPlainLine(about), aboutWidth)}\n`);
      shell.out.write(`${found.kind}\n${text.join("")}`);
    });
}
