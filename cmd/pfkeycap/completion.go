package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Usage:     "print what makes a shell complete pfkeycap's command lines",
		ArgsUsage: "bash|zsh|fish",
		Description: `Prints the script for a shell; it asks pfkeycap itself for commands, options, their
values and the paths of fields, so it never is out of date:

  bash   source <(pfkeycap completion bash)
  zsh    source <(pfkeycap completion zsh), after compinit
  fish   pfkeycap completion fish | source`,
		Action: func(c *cli.Context) error {
			script, ok := completionScripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usagef("which shell? bash, zsh or fish")
			}
			_, err := fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}

// completionScripts hand the words of a line, up to the one that is being written, to
// the hidden command complete. Where it has nothing to say a file may be meant.
var completionScripts = map[string]string{
	"bash": `_pfkeycap() {
	local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n' w
	read -ra w <<<"$line"
	[[ $line == *[[:space:]] ]] && w+=("")
	local last=${w[-1]}
	IFS=$'\n'
	COMPREPLY=($(pfkeycap complete -- "${w[@]:1}" 2>/dev/null | cut -f1))
	# For bash a word ends at = and : too, and only what follows is replaced.
	if [[ $last == *[=:]* ]]; then COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*[=:]}"}"}"); fi
	[[ -n ${COMPREPLY[*]} ]] || COMPREPLY=($(compgen -f -- "${last##*[=:]}"))
}
complete -o filenames -F _pfkeycap pfkeycap
`,
	"zsh": `#compdef pfkeycap
_pfkeycap() {
	local -a list
	local line
	for line in ${(f)"$(pfkeycap complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
		list+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	if (( ${#list} )); then _describe pfkeycap list; else _files; fi
}
compdef _pfkeycap pfkeycap
`,
	"fish": `function __pfkeycap_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l list (pfkeycap complete -- $words[2..-1] 2>/dev/null)
	if test -n "$list"
		printf '%s\n' $list
	else
		__fish_complete_path (commandline -ct)
	end
end
complete -c pfkeycap -f -a '(__pfkeycap_complete)'
`,
}

// completeCommand is what the scripts call.
func completeCommand() *cli.Command {
	return &cli.Command{
		Hidden: true,
		Action: func(c *cli.Context) error {
			for _, x := range complete(wholeApp(c.App.Reader, c.App.Writer, c.App.ErrWriter), c.Args().Slice()) {
				fmt.Fprintf(c.App.Writer, "%s\t%s\n", x.word, x.about)
			}
			return nil
		},
	}
}

// candidate is a word that may stand at the end of a line.
type candidate struct{ word, about string }

// complete returns what the last of words may become. Nothing means a file.
func complete(app *cli.App, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	words, last := words[:len(words)-1], words[len(words)-1]
	var c *cli.Command
	commands := app.VisibleCommands()
	for len(words) > 0 && len(commands) > 0 {
		i := slices.IndexFunc(commands, func(x *cli.Command) bool { return x.HasName(words[0]) })
		if i < 0 {
			break
		}
		c, words = commands[i], words[1:]
		commands = c.VisibleCommands()
	}
	var list []candidate
	switch {
	case c == nil && len(words) > 0:
		return nil // a file that is to be decoded, with its options
	case len(commands) > 0 && len(words) == 0:
		for _, x := range commands {
			list = append(list, candidate{x.Name, x.Usage})
		}
	case slices.Contains(words, "--"):
		return nil // another program's line
	case strings.HasPrefix(last, "--") && strings.Contains(last, "="):
		name, _, _ := strings.Cut(last, "=")
		for _, x := range valuesOf(flagNamed(c, name)) {
			list = append(list, candidate{name + "=" + x.word, x.about})
		}
	case len(words) > 0 && takesValue(flagNamed(c, words[len(words)-1])) && !strings.Contains(words[len(words)-1], "="):
		list = valuesOf(flagNamed(c, words[len(words)-1]))
	case strings.HasPrefix(last, "-"):
		for _, f := range c.VisibleFlags() {
			name := "--" + f.Names()[0]
			if len(f.Names()[0]) == 1 {
				name = "-" + f.Names()[0]
			}
			about := ""
			if d, ok := f.(cli.DocGenerationFlag); ok {
				about = strings.ReplaceAll(d.GetUsage(), "`", "")
			}
			list = append(list, candidate{name, about})
		}
	}
	return slices.DeleteFunc(list, func(x candidate) bool { return !strings.HasPrefix(x.word, last) })
}

// flagNamed is the option that a word such as -T or --format names, or nil.
func flagNamed(c *cli.Command, word string) cli.Flag {
	name := strings.TrimLeft(word, "-")
	if name == word {
		return nil
	}
	for _, f := range c.VisibleFlags() {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// choice is a word that a text of help gives as one to choose.
var choice = regexp.MustCompile(`[a-z][a-z0-9-]+`)

// choices are the words that options whose values are listed in their help can have;
// other words of the help are not among them.
var choices = func() (list []string) {
	list = []string{"text", "tree", "json", "fields", "csv", "hex", "pcapng", "pcap", "capture",
		"auto", "always", "never", "le", "be", "here", "sandbox", "inside", "none", "beside"}
	for _, f := range convert.Forms() {
		list = append(list, string(f))
	}
	return list
}()

// valuesOf are the values that an option may have, as far as they can be listed.
func valuesOf(f cli.Flag) (list []candidate) {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok || !d.TakesValue() {
		return nil
	}
	switch f.Names()[0] {
	case "dialect", "as", "lint":
		for _, d := range layers.Dialects() {
			list = append(list, candidate{d.String(), d.Source()})
		}
	case "type":
		for _, n := range hostCodec().Dialect.EnumNames(layers.EnumSAType) {
			if n != "" {
				list = append(list, candidate{strings.ToLower(n), ""})
			}
		}
	case "field", "filter", "display-filter":
		for _, p := range filter.Paths() {
			list = append(list, candidate{p.Name, p.Doc})
		}
	case "format", "read-format", "color", "order", "target", "keys":
		for _, w := range choice.FindAllString(d.GetUsage(), -1) {
			if slices.Contains(choices, w) && !slices.Contains(list, candidate{word: w}) {
				list = append(list, candidate{word: w})
			}
		}
	}
	return list
}
