package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
)

func dialectsCommand() *cli.Command {
	return &cli.Command{
		Name:      "dialects",
		Usage:     "print every system's numbers side by side",
		ArgsUsage: "[TABLE…]",
		Description: `Prints what each number means on each system: messages, extensions, SA types,
algorithms and so on. A "!" marks a number that means different things on two of them;
names that differ for the same thing are no conflict.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text or json (one object a line)", Value: "text"},
			&cli.BoolFlag{Name: "conflicts", Usage: "only the numbers that mean different things"},
		},
		Action: dialectsAction,
	}
}

// numberTable is one of the tables that all dialects have.
type numberTable struct {
	name string
	size int
	of   func(d layers.Dialect, n int) (name, meaning string)
}

func enumTable(name string, e layers.Enum) numberTable {
	return numberTable{name, 256, func(d layers.Dialect, n int) (string, string) {
		s := d.EnumName(e, uint64(n))
		return s, layers.CanonicalName(s)
	}}
}

func numberTables() []numberTable {
	return []numberTable{
		enumTable("messages", layers.EnumMsgType),
		{"extensions", 64, func(d layers.Dialect, n int) (string, string) {
			if s := d.ExtName(uint16(n)); s != "" {
				return s, d.ExtType(uint16(n)).String()
			}
			return "", ""
		}},
		enumTable("satypes", layers.EnumSAType),
		enumTable("states", layers.EnumState),
		enumTable("auth", layers.EnumAuth),
		enumTable("encrypt", layers.EnumEncrypt),
		enumTable("comp", layers.EnumComp),
		enumTable("modes", layers.EnumMode),
		enumTable("policy-types", layers.EnumPolicyType),
		enumTable("directions", layers.EnumDir),
		enumTable("levels", layers.EnumLevel),
		{"families", 64, func(d layers.Dialect, n int) (string, string) {
			s := d.FamilyName(uint16(n))
			return s, s
		}},
		{"errno", 256, func(d layers.Dialect, n int) (string, string) {
			s := d.ErrnoName(uint8(n))
			return s, s
		}},
	}
}

// row is what one number means.
type row struct {
	Table    string            `json:"table"`
	Number   int               `json:"number"`
	Conflict bool              `json:"conflict"`
	Names    map[string]string `json:"names"`
}

func rows(t numberTable) (list []row) {
	for n := range t.size {
		r := row{Table: t.name, Number: n, Names: map[string]string{}}
		first := ""
		for _, d := range layers.Dialects() {
			name, meaning := t.of(d, n)
			if name == "" {
				continue
			}
			r.Names[d.String()] = name
			if first == "" {
				first = meaning
			}
			r.Conflict = r.Conflict || meaning != first
		}
		if len(r.Names) > 0 {
			list = append(list, r)
		}
	}
	return list
}

func dialectsAction(c *cli.Context) error {
	var tables []numberTable
	var names []string
	for _, t := range numberTables() {
		names = append(names, t.name)
		if c.NArg() == 0 && t.name != "errno" || slices.Contains(c.Args().Slice(), t.name) {
			tables = append(tables, t)
		}
	}
	for _, a := range c.Args().Slice() {
		if !slices.Contains(names, a) {
			return usagef("unknown table %q: there are %s", a, strings.Join(names, ", "))
		}
	}
	switch c.String("format") {
	case "json", "ndjson":
		enc := json.NewEncoder(c.App.Writer)
		for _, t := range tables {
			for _, r := range rows(t) {
				if r.Conflict || !c.Bool("conflicts") {
					if err := enc.Encode(r); err != nil {
						return err
					}
				}
			}
		}
		return nil
	case "text":
		return printDialects(c.App.Writer, tables, c.Bool("conflicts"))
	}
	return usagef("unknown format %q: want text or json", c.String("format"))
}

func printDialects(out io.Writer, tables []numberTable, conflicts bool) error {
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(out)
		}
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintf(w, "%s", t.name)
		for _, d := range layers.Dialects() {
			fmt.Fprintf(w, "\t%v", d)
		}
		fmt.Fprintln(w)
		for _, r := range rows(t) {
			if conflicts && !r.Conflict {
				continue
			}
			mark := " "
			if r.Conflict {
				mark = "!"
			}
			fmt.Fprintf(w, "%s%d", mark, r.Number)
			for _, d := range layers.Dialects() {
				name := r.Names[d.String()]
				if name == "" {
					name = "-"
				}
				fmt.Fprintf(w, "\t%s", name)
			}
			fmt.Fprintln(w)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
