package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// The library parses flags with the standard flag package: it stops at the first
// operand (so that "decode f -T json" would print text and exit 0) and knows
// neither -c5 nor -Tjson nor -vv. normalize rewrites a command's arguments to the
// one form that it cannot misread:
//
//	--flag=value … -- operand …
//
// Flags may stand anywhere before a "--". What follows it are operands, or, for a
// command that runs another one, that one's line: it is handed on behind a "--" of
// its own. A command that takes a statement has its flags before it: the statement
// has flags of its own.
func normalize(c *cli.Command, args []string) ([]string, error) {
	flags := c.Flags
	byName := map[string]cli.Flag{}
	for _, f := range flags {
		for _, n := range f.Names() {
			byName[n] = f
		}
	}
	var out, operands, rest []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case c.ArgsUsage == statementUsage && (a == "-" || !strings.HasPrefix(a, "-") || strings.Trim(a, "46") == "-"):
			operands = args[i:]
			i = len(args)
		case a == "--":
			rest = args[i:]
			i = len(args)
		case a == "-" || !strings.HasPrefix(a, "-"):
			operands = append(operands, a)
		case strings.HasPrefix(a, "--"):
			name, value, has := strings.Cut(a[2:], "=")
			f := byName[name]
			if f == nil || len(name) == 1 {
				return nil, usagef("unknown option --%s%s", name, similar(name, byName))
			}
			without, optional := optionalValue(f)
			switch {
			case has || optional || !takesValue(f):
				if !has && optional {
					value, has = without, true
				}
				if has {
					out = append(out, "--"+f.Names()[0]+"="+value)
				} else {
					out = append(out, "--"+f.Names()[0])
				}
			case i+1 == len(args) || args[i+1] == "--":
				return nil, usagef("option --%s needs a value", name)
			default:
				i++
				out = append(out, "--"+f.Names()[0]+"="+args[i])
			}
		default:
			for k := 1; k < len(a); k++ {
				name := a[k : k+1]
				f := byName[name]
				if f == nil {
					return nil, usagef("unknown option -%s", name)
				}
				if !takesValue(f) {
					out = append(out, "--"+f.Names()[0])
					continue
				}
				value := strings.TrimPrefix(a[k+1:], "=")
				if k+1 == len(a) {
					if i+1 == len(args) || args[i+1] == "--" {
						return nil, usagef("option -%s needs a value", name)
					}
					i++
					value = args[i]
				}
				out = append(out, "--"+f.Names()[0]+"="+value)
				break
			}
		}
	}
	if len(rest) > 0 && !strings.Contains(c.ArgsUsage, "COMMAND") {
		rest = rest[1:]
	}
	out = append(out, "--")
	out = append(out, operands...)
	return append(out, rest...), nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// optional is a string flag whose value may be left out; a value is joined by "=".
type optional struct {
	*cli.StringFlag
	without string // value when only the flag is given
}

func optionalValue(f cli.Flag) (without string, ok bool) {
	if n, named := f.(namedFlag); named {
		f = n.wholeFlag
	}
	o, ok := f.(*optional)
	if ok {
		without = o.without
	}
	return without, ok
}

// nameFlags makes the names of flags, of which the library makes regular expressions
// whenever it looks for one among all, to be made once.
func nameFlags(flags []cli.Flag) {
	for i, f := range flags {
		if s, ok := f.(cli.DocGenerationSliceFlag); ok && s.IsSliceFlag() {
			continue // has a method that cannot be named here
		}
		if w, ok := f.(wholeFlag); ok {
			flags[i] = namedFlag{w, f.Names()}
		}
	}
}

// wholeFlag is what the library asks flags for.
type wholeFlag interface {
	cli.ActionableFlag
	cli.CategorizableFlag
	cli.DocGenerationFlag
	cli.RequiredFlag
}

type namedFlag struct {
	wholeFlag
	names []string
}

func (f namedFlag) Names() []string { return f.names }

// similar suggests a name that differs in little.
func similar(name string, byName map[string]cli.Flag) string {
	for n := range byName {
		if len(n) > 2 && (strings.HasPrefix(n, name) || strings.HasPrefix(name, n)) {
			return " (did you mean --" + n + "?)"
		}
	}
	return ""
}

// split divides the arguments of a command that takes another command after
// "--" into its operands and that command's line.
func split(args []string) (operands, command []string) {
	for i, a := range args {
		if a == "--" {
			return args[:i], args[i+1:]
		}
	}
	return args, nil
}
